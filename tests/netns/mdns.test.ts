// Discovery over real multicast, between processes in network namespaces, and beside avahi.

import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { peerIdOf } from '../../lib/identity/peer-id.ts'
import { childScript } from '../tools/child-script.ts'
import { createNamespaces, type Namespace, skipWithoutNamespaces } from './namespaces.ts'

const TAG = '0123456789abcdef'
const OTHER_TAG = 'fedcba9876543210'
const program = childScript(fileURLToPath(new URL('./discoverer.ts', import.meta.url)))
const skip = skipWithoutNamespaces()

interface Line {
  event: string
  about: { peer: string; host: string; port: number }
}

/** A discoverer process and what it has said. */
class Discoverer {
  readonly child: ChildProcess
  readonly lines: Line[] = []
  readonly #changed: (() => void)[] = []
  #rest = ''

  constructor(namespace: Namespace, number: number, tag: string, port: number) {
    const parameters = [program, String(number), tag, String(port)]
    this.child = namespace.spawn(process.execPath, parameters, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.child.stdout!.on('data', (chunk) => {
      const lines = (this.#rest + chunk).split('\n')
      this.#rest = lines.pop()!
      this.lines.push(...lines.map((line): Line => JSON.parse(line)))
      for (const changed of this.#changed.splice(0)) changed()
    })
  }

  of(event: string): Line['about'][] {
    return this.lines.filter((line) => line.event === event).map((line) => line.about)
  }

  /** Resolves with the milliseconds that it took. */
  async until(done: () => boolean): Promise<number> {
    const startMs = performance.now()
    while (!done()) await new Promise<void>((resolve) => this.#changed.push(resolve))
    return performance.now() - startMs
  }

  async end(): Promise<void> {
    this.child.stdin!.end()
    if (this.child.exitCode === null) await once(this.child, 'exit')
  }
}

function peer(number: number): string {
  return peerIdOf(new Uint8Array(32).fill(number))
}

test('two nodes in two namespaces see each other within 3 seconds, and hear of the end', {
  skip,
  timeout: 60_000,
}, async () => {
  using network = createNamespaces(2)
  const [one, two] = network.all as [Namespace, Namespace]
  const a = new Discoverer(one, 1, TAG, 6001)
  const b = new Discoverer(two, 2, TAG, 6002)
  const stranger = new Discoverer(two, 3, OTHER_TAG, 6003)
  for (const node of [a, b, stranger]) await node.until(() => node.of('started').length === 1)
  const took = await Promise.all([a.until(() => a.of('found').length > 0), b.until(() => b.of('found').length > 0)])
  assert.ok(Math.max(...took) < 3_000, `it took ${took} ms`)
  // IPv4 and IPv6 are two ways to the same node.
  const ways = two.ip6 === null ? 1 : 2
  await a.until(() => a.of('found').length === ways)
  for (const found of a.of('found')) {
    assert.equal(found.peer, peer(2))
    assert.equal(found.port, 6002)
    assert.ok([two.ip4, two.ip6].includes(found.host), found.host)
  }
  assert.deepEqual(
    b.of('found').filter(({ peer: id }) => id !== peer(1)),
    [],
  )
  assert.deepEqual(stranger.of('found'), [])
  await b.end()
  await a.until(() => a.of('lost').length === ways)
  assert.deepEqual(a.of('warning'), [])
  await a.end()
  assert.equal(a.of('stopped').length, 1)
  await stranger.end()
})

test('three nodes in one namespace see each other', { skip, timeout: 60_000 }, async () => {
  using network = createNamespaces(1)
  const nodes = [1, 2, 3].map((number) => new Discoverer(network.all[0]!, number, TAG, 6000 + number))
  for (const node of nodes) await node.until(() => new Set(node.of('found').map((found) => found.peer)).size === 2)
  for (const node of nodes) await node.end()
})

test('garbage and cut packets on the group do nothing', { skip, timeout: 60_000 }, async () => {
  using network = createNamespaces(2)
  const [one, two] = network.all as [Namespace, Namespace]
  const node = new Discoverer(one, 1, TAG, 6001)
  await node.until(() => node.of('started').length === 1)
  // A real announcement with every prefix of it, and every byte changed; from port 5353, as it must be to be looked at.
  const garbage = `
    import { createSocket } from 'node:dgram'
    import { encode } from 'dns-packet'
    const packet = encode({ type: 'response', answers: [
      { name: '_meshd._tcp.local', type: 'PTR', ttl: 120, data: 'x._meshd._tcp.local' },
      { name: 'x._meshd._tcp.local', type: 'SRV', ttl: 120, data: { port: 1, target: 'x.local' } },
      { name: 'x._meshd._tcp.local', type: 'TXT', ttl: 120, data: ['id=${peer(5)}', 'net=${OTHER_TAG}', 'v=1'] },
      { name: 'x.local', type: 'A', ttl: 120, data: '10.77.0.9' },
    ] })
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    socket.bind(5353, '0.0.0.0', async () => {
      socket.setMulticastInterface('${two.ip4}')
      const send = (bytes) => new Promise((resolve) => socket.send(bytes, 5353, '224.0.0.251', resolve))
      for (let i = 0; i < packet.length; i++) await send(packet.subarray(0, i))
      for (let i = 0; i < packet.length; i++) {
        const changed = Buffer.from(packet)
        changed[i] ^= 1 + (i * 37) % 255
        await send(changed)
      }
      for (let i = 0; i < 300; i++) await send(Buffer.alloc(i * 4, i))
      socket.close()
    })`
  const sender = two.spawn(process.execPath, ['--input-type=module', '-e', garbage], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  assert.deepEqual(await once(sender, 'exit'), [0, null])
  const real = new Discoverer(two, 2, TAG, 6002)
  await node.until(() => node.of('found').some((found) => found.peer === peer(2)))
  assert.deepEqual(
    node.of('found').filter((found) => found.peer !== peer(2)),
    [],
  )
  assert.deepEqual(node.of('warning'), [])
  await node.end()
  assert.equal(node.child.exitCode, 0)
  await real.end()
})

test('a namespace with nothing but loopback gives one warning and no failure', { skip, timeout: 60_000 }, async () => {
  using network = createNamespaces(1)
  const [one] = network.all as [Namespace]
  one.run('ip', 'link', 'del', 'eth0')
  const node = new Discoverer(one, 1, TAG, 6001)
  await node.until(() => node.of('warning').length === 1)
  await node.end()
  assert.equal(node.of('warning').length, 1)
  assert.equal(node.child.exitCode, 0)
})

test('avahi lists our nodes with address, port and texts', {
  skip: skip || withoutAvahi(),
  timeout: 90_000,
}, async () => {
  using network = createNamespaces(2)
  const [one, two] = network.all as [Namespace, Namespace]
  // Its own /run in a mount namespace of its own: neither the machine's bus nor its avahi takes part.
  const script = `
    mount -t tmpfs tmpfs /run && mkdir -p /run/dbus /run/avahi-daemon
    dbus-daemon --system --nofork --nopidfile 2>/dev/null & dbus=$!
    until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
    avahi-daemon --no-drop-root --no-rlimits --no-chroot >/dev/null 2>&1 & avahi=$!
    until avahi-browse -a -t >/dev/null 2>&1; do sleep 0.1; done
    echo ready
    while read -r line; do avahi-browse -r -t -p _meshd._tcp; echo done; done
    kill $avahi $dbus`
  const avahi = one.spawn('unshare', ['-m', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let said = ''
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await once(avahi.stdout!, 'data')
  }
  avahi.stdout!.on('data', (chunk) => {
    said += chunk
  })
  await until(() => said.includes('ready\n'))
  const nodes = [new Discoverer(one, 1, TAG, 6001), new Discoverer(two, 2, OTHER_TAG, 6002)]
  for (const node of nodes) await node.until(() => node.of('started').length === 1)
  const resolved = (number: number): string | undefined => {
    const start = '=;eth0;IPv4;'
    return said.split('\n').find((line) => line.startsWith(start) && line.includes(peer(number).slice(-8)))
  }
  // A browser that has just started may not have heard of both yet.
  const lateAtMs = performance.now() + 40_000
  for (let rounds = 1; performance.now() < lateAtMs && !(resolved(1) && resolved(2)); rounds++) {
    avahi.stdin!.write('\n')
    await until(() => said.split('done\n').length > rounds)
    await sleep(200)
  }
  for (const [number, namespace, tag] of [
    [1, one, TAG],
    [2, two, OTHER_TAG],
  ] as const) {
    const fields = resolved(number)?.split(';') ?? []
    assert.equal(fields[7], namespace.ip4, said)
    assert.equal(fields[8], String(6000 + number))
    for (const text of [`"id=${peer(number)}"`, `"net=${tag}"`, '"v=1"'])
      assert.ok(fields[9]!.includes(text), fields[9])
  }
  for (const node of nodes) await node.end()
  avahi.stdin!.end()
  await once(avahi, 'exit')
})

test('avahi’s own announcements are read by us', { skip: skip || withoutAvahi(), timeout: 90_000 }, async () => {
  using network = createNamespaces(2)
  const [one, two] = network.all as [Namespace, Namespace]
  const node = new Discoverer(two, 2, TAG, 6002)
  const script = `
    mount -t tmpfs tmpfs /run && mkdir -p /run/dbus /run/avahi-daemon
    dbus-daemon --system --nofork --nopidfile 2>/dev/null &
    until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
    avahi-daemon --no-drop-root --no-rlimits --no-chroot >/dev/null 2>&1 &
    until avahi-browse -a -t >/dev/null 2>&1; do sleep 0.1; done
    avahi-publish -s 'some name.with dots' _meshd._tcp 6009 id=${peer(9)} net=${TAG} v=1`
  one.spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['ignore', 'ignore', 'ignore'] })
  await node.until(() => node.of('found').some((found) => found.host === one.ip4))
  for (const found of node.of('found')) assert.deepEqual([found.peer, found.port], [peer(9), 6009])
  await node.end()
})

function withoutAvahi(): string | false {
  for (const program of ['avahi-daemon', 'avahi-browse', 'dbus-daemon', 'unshare']) {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`])
    } catch {
      return `no ${program} on this machine`
    }
  }
  return false
}
