import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../../lib/errors.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { FrameType } from '../../lib/framing/frames.ts'
import { encodeGoodbye } from '../../lib/framing/goodbye.ts'
import { type Address, parseAddress } from '../../lib/identity/address.ts'
import type { Endpoint, Names, Socket, Tcp } from '../../lib/io/world.ts'
import { Dialer } from '../../lib/link/dialer.ts'
import type { Opened } from '../../lib/link/opening.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { contextOf, Outcome } from './ends.ts'
import { FakeClock } from './fake-clock.ts'
import { type MemorySocket, memoryPair } from './memory-socket.ts'
import { type Script, ScriptedPeer } from './scripted-peer.ts'

/** What is at an address: nobody who answers, a refusal, or a node. */
type Place = 'silence' | 'refusal' | Partial<Script>

/** A dialler in a world where the test says what stands where. */
class Quay {
  readonly clock = new FakeClock()
  readonly outcome = new Outcome()
  readonly peers: ScriptedPeer[] = []
  readonly sockets: MemorySocket[] = []
  readonly dialled: string[] = []
  readonly resolved: [string, string][] = []
  readonly controller = new AbortController()
  address: string | null = null
  handshaking = 0
  isOver = false
  readonly #dialer: Dialer

  constructor(places: Readonly<Record<string, Place>>, hosts: readonly string[] | MeshError = []) {
    const tcp: Tcp = {
      listen: () => Promise.reject(new Error('nobody listens here')),
      dial: (endpoint, signal) => this.#connect(places[endpoint.host] ?? 'refusal', endpoint, signal),
    }
    const names: Names = {
      resolve: (name, family) => {
        this.resolved.push([name, family])
        return hosts instanceof MeshError ? Promise.reject(hosts) : Promise.resolve(hosts)
      },
    }
    this.#dialer = new Dialer({ context: contextOf(1, this.clock), tcp, names, timeoutMs: 5_000 })
  }

  dial(text: string): void {
    this.dialAddress(parseAddress(text))
  }

  dialAddress(address: Address): void {
    const { outcome } = this
    const done = this.#dialer.dial(address, false, this.controller.signal, {
      handshaking: () => this.handshaking++,
      admit: outcome.admit,
      peersTold: (records, identity, _socket: Socket) => outcome.peersTold(records, identity),
      opened: (parts: Opened, opened: string) => {
        this.address = opened
        outcome.openedAs(parts)
      },
      failed: outcome.failedWith,
    })
    void done.then(() => {
      this.isOver = true
    })
  }

  /** Does all that is to be done now, promises included. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn++) {
      this.clock.settle()
      await new Promise(setImmediate)
    }
  }

  async #connect(place: Place, endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
    this.dialled.push(`${endpoint.host} ${endpoint.port}`)
    if (place === 'refusal') throw new MeshError('dial-failed', `${endpoint.host}: connection refused`)
    if (place === 'silence') {
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new MeshError('aborted', 'aborted')), { once: true })
      })
    }
    const [dialled, accepted] = memoryPair(this.clock)
    this.sockets.push(dialled)
    this.peers.push(new ScriptedPeer(accepted, keyPairOf(2), 'listener', place))
    return dialled
  }
}

test('an IP address is dialled as it is and opened', async () => {
  const quay = new Quay({ '192.0.2.1': {} })
  quay.dial('192.0.2.1:6374')
  await quay.settle()
  assert.equal(quay.outcome.opened?.identity.id, keyPairOf(2).identity.id)
  assert.equal(quay.address, '/ip4/192.0.2.1/tcp/6374')
  assert.equal(quay.handshaking, 1)
  assert.deepEqual(quay.resolved, [])
  assert.equal(quay.clock.timerCount, 0)
})

test('all addresses of a name are tried, one after the other, until one opens', async () => {
  const quay = new Quay({ '192.0.2.2': {} }, ['192.0.2.1', '192.0.2.2', '192.0.2.3'])
  quay.dial('node.example:1234')
  await quay.settle()
  assert.deepEqual(quay.dialled, ['192.0.2.1 1234', '192.0.2.2 1234'])
  assert.ok(quay.outcome.opened !== null)
  assert.equal(quay.address, '/dns/node.example/tcp/1234')
})

test('a name is resolved in the family of its address', async () => {
  for (const [text, family] of [
    ['/dns/node.example/tcp/1', 'any'],
    ['/dns4/node.example/tcp/1', 'ip4'],
    ['/dns6/node.example/tcp/1', 'ip6'],
  ] as const) {
    const quay = new Quay({}, ['192.0.2.1'])
    quay.dial(text)
    await quay.settle()
    assert.deepEqual(quay.resolved, [['node.example', family]])
  }
})

test('when all fail the reasons are joined, each once', async () => {
  const quay = new Quay({}, ['192.0.2.1', '192.0.2.2', '192.0.2.1'])
  quay.dial('node.example:1')
  await quay.settle()
  assert.equal(quay.outcome.error?.code, 'dial-failed')
  assert.equal(quay.outcome.error?.message, '192.0.2.1: connection refused; 192.0.2.2: connection refused')
})

test('sixteen addresses of one name are tried in one go, no more', async () => {
  const quay = new Quay(
    {},
    Array.from({ length: 17 }, (_, i) => `192.0.2.${i}`),
  )
  quay.dial('node.example:1')
  await quay.settle()
  assert.equal(quay.dialled.length, 16)
})

test('an address that does not answer costs the timeout, then the next has its turn', async () => {
  const quay = new Quay({ '192.0.2.1': 'silence', '192.0.2.2': {} }, ['192.0.2.1', '192.0.2.2'])
  quay.dial('node.example:1')
  await quay.settle()
  assert.equal(quay.dialled.length, 1)
  quay.clock.advance(5_000)
  await quay.settle()
  assert.ok(quay.outcome.opened !== null)
})

test('silence is a failed dial that says how long it took', async () => {
  const quay = new Quay({ '192.0.2.1': 'silence' })
  quay.dial('192.0.2.1:6374')
  await quay.settle()
  quay.clock.advance(5_000)
  await quay.settle()
  assert.equal(quay.outcome.error?.code, 'dial-failed')
  assert.equal(quay.outcome.error?.message, 'no connection to 192.0.2.1 port 6374 within 5 s')
})

test('a name without an address, and one that is not found, fail with that reason', async () => {
  const empty = new Quay({}, [])
  empty.dial('node.example:1')
  await empty.settle()
  assert.equal(empty.outcome.error?.code, 'name-not-found')
  const unknown = new Quay({}, new MeshError('name-not-found', 'no such name'))
  unknown.dial('node.example:1')
  await unknown.settle()
  assert.equal(unknown.outcome.error?.message, 'no such name')
})

test('a node that refuses is not asked again at its other addresses', async () => {
  const quay = new Quay({ '192.0.2.1': { about: null }, '192.0.2.2': {} }, ['192.0.2.1', '192.0.2.2'])
  quay.dial('node.example:1')
  await quay.settle()
  const record = Uint8Array.of(1)
  quay.peers[0]!.sendFrames([FrameType.peers, encodeCbor([record])], [FrameType.goodbye, encodeGoodbye(2, 'full')])
  await quay.settle()
  assert.equal(quay.dialled.length, 1)
  assert.equal(quay.outcome.goodbyeCode, 2)
  assert.equal(quay.outcome.told.length, 1)
})

test('the peer id in the address is insisted on', async () => {
  const quay = new Quay({ '192.0.2.1': {} })
  quay.dialAddress({ host: '192.0.2.1', kind: 'ip4', port: 1, peer: keyPairOf(3).identity.id })
  await quay.settle()
  assert.equal(quay.outcome.error?.code, 'wrong-identity')
})

test('after it was aborted, nothing is called any more', async () => {
  for (const place of ['silence', { about: null }] as const) {
    const quay = new Quay({ '192.0.2.1': place })
    quay.dial('192.0.2.1:1')
    await quay.settle()
    quay.controller.abort()
    await quay.settle()
    assert.equal(quay.outcome.isOver, false)
    assert.equal(quay.isOver, true)
    assert.equal(quay.clock.timerCount, 0)
    assert.ok(quay.sockets.every((socket) => socket.isDestroyed))
  }
})

test('aborted before it begins, it dials nothing', async () => {
  const quay = new Quay({ '192.0.2.1': {} }, ['192.0.2.1'])
  quay.controller.abort()
  quay.dial('node.example:1')
  await quay.settle()
  assert.deepEqual(quay.dialled, [])
  assert.equal(quay.outcome.isOver, false)
})

test('aborted at the moment when it opens, it closes the connection and tells nobody', async () => {
  const quay = new Quay({ '192.0.2.1': { about: null } })
  quay.dial('192.0.2.1:1')
  await quay.settle()
  quay.peers[0]!.sendFrame(FrameType.about, Uint8Array.of(0xa0))
  quay.clock.settle()
  quay.controller.abort()
  await quay.settle()
  assert.equal(quay.outcome.opened, null)
  assert.equal(quay.outcome.error, null)
  assert.equal(quay.sockets[0]!.isDestroyed, true)
})
