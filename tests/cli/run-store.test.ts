// What comes out of the store, and leaving once everything is confirmed.

import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { run } from '../../cli/run.ts'
import { MeshError } from '../../lib/errors.ts'
import { FakeHost, SETTINGS, start } from './fake-node.ts'

/** Rejects when the node stops, as its receipts do; otherwise never settles. */
function unconfirmed(_number: number, stopped: AbortSignal): Promise<readonly string[]> {
  return new Promise((_resolve, reject) => {
    stopped.addEventListener('abort', () => reject(new MeshError('not-running', 'this node has stopped')))
  })
}

for (const json of [false, true]) {
  const way = json ? 'with --json' : 'in a pipe'
  test(`${way} a line of a durable reader is acknowledged when it has left, and not before`, async () => {
    let take = (): void => undefined
    const stdout = new Writable({
      highWaterMark: 1,
      write(_chunk, _encoding, done) {
        take = () => {
          take = () => undefined
          done()
        }
      },
    })
    const host = new FakeHost({ stdout })
    const { mesh, stop } = await start({ durable: 'reader', json }, host)
    await turn()
    take()
    await turn()
    mesh.deliver('chat', 'one')
    await turn()
    await turn()
    assert.deepEqual(mesh.acknowledged, [])
    take()
    await host.until(() => mesh.acknowledged.length === 1)
    const ended = stop()
    for (let i = 0; i < 5; i++) {
      take()
      await turn()
    }
    assert.equal(await ended, 0)
  })

  test(`${way} history is not dropped for a slow reader of standard output: it is held back`, async () => {
    let out = ''
    let take: (() => void) | null = null
    let open = false
    const stdout = new Writable({
      highWaterMark: 1,
      write(chunk, _encoding, done) {
        out += chunk
        if (open) setImmediate(done)
        else take = done
      },
    })
    const host = new FakeHost({ stdout })
    const { mesh, stop } = await start({ since: 'stored', json }, host)
    const waits: Promise<void>[] = []
    for (let i = 0; i < 40; i++) {
      for (const result of mesh.deliver('chat', 'x'.repeat(1_000_000))) if (result) waits.push(result as Promise<void>)
    }
    assert.ok(waits.length >= 38, 'each message beyond the first asks to wait')
    await turn()
    open = true
    // TypeScript does not see that the stream has called.
    ;(take as (() => void) | null)?.()
    await Promise.all(waits)
    assert.equal(await stop(), 0)
    assert.equal(out.match(/x{1000000}/g)?.length, 40)
    assert.doesNotMatch(out, /slow-output/)
  })

  test(`${way} with --exit-after-input the run ends when everything is confirmed`, async () => {
    const confirm: (() => void)[] = []
    const host = new FakeHost({
      prepare: (mesh) => {
        mesh.confirm = () => new Promise((resolve) => confirm.push(() => resolve(['a'])))
      },
    })
    const { mesh, ended } = await start({ exitAfterInput: true, json }, host)
    host.stdin.end('a\nb\n')
    await host.until(() => confirm.length === 2)
    confirm[1]!()
    await turn()
    assert.deepEqual(mesh.calls, ['start'])
    confirm[0]!()
    assert.equal(await ended, 0)
    assert.deepEqual(mesh.calls, ['start', 'stop'])
  })

  test(`${way} with --exit-after-input what is not confirmed in time is told, and the exit code says so`, async () => {
    const host = new FakeHost({
      prepare: (mesh) => {
        mesh.confirm = (number, stopped) => (number === 1 ? unconfirmed(number, stopped) : Promise.resolve(['a']))
      },
    })
    const { ended } = await start({ exitAfterInput: true, confirmTimeoutMs: 20, json }, host)
    host.stdin.end('a\nb\nc\n')
    assert.equal(await ended, 4)
    assert.match(json ? host.out : host.err, /1 of 3 messages were not confirmed by any neighbour/)
    if (json) assert.match(host.out, /"code":"unconfirmed"/)
  })
}

test('with --exit-after-input a line that was not published makes the exit code 1', async () => {
  const host = new FakeHost()
  const { ended } = await start({ exitAfterInput: true }, host)
  host.stdin.end(Buffer.concat([Buffer.from('a\n'), Buffer.alloc(1_048_577, 0x78)]))
  assert.equal(await ended, 1)
})

test('with --exit-after-input a failing standard input ends the run', async () => {
  const { host, ended } = await start({ exitAfterInput: true })
  host.stdin.destroy(new Error('input torn'))
  assert.equal(await ended, 1)
})

test('with --exit-after-input a signal before all was said is no success', async () => {
  const host = new FakeHost({
    prepare: (mesh) => {
      mesh.confirm = unconfirmed
    },
  })
  const { mesh, stop } = await start({ exitAfterInput: true }, host)
  host.stdin.write('a\n')
  await host.until(() => mesh.published.length === 1)
  assert.equal(await stop(), 1)
  assert.match(host.err, /1 of 1 messages were not confirmed/)
})

test('a chat ends otherwise than with its input', async () => {
  const host = new FakeHost({ terminal: true })
  await assert.rejects(
    run({ ...SETTINGS, exitAfterInput: true }, host),
    /--exit-after-input is for input through a pipe/,
  )
})

test('gaps are told to people, nodes that come and go where everything is', async () => {
  const { host, mesh, stop } = await start({ logLevel: 'debug' })
  mesh.emit('nodeUp', { peer: 'peer-of-carol', name: 'carol\x1b' })
  mesh.emit('gap', { pattern: 'chat', from: 'peer-of-carol', epoch: 1, first: 3, last: 3 })
  mesh.emit('gap', { pattern: 'chat', from: 'peer-of-carol', epoch: 1, first: 5, last: 9 })
  mesh.emit('nodeDown', { peer: 'peer-of-carol', name: 'carol', reason: 'unreachable' })
  await stop()
  assert.match(host.err, /meshd: in the network: carol\\x1b \(of-carol\)\n/)
  assert.match(host.err, /warning: passed over message 3 of carol\\x1b \(of-carol\): not here in time\n/)
  assert.match(host.err, /warning: passed over messages 5 to 9 of carol/)
  assert.match(host.err, /no longer in the network: carol\\x1b \(of-carol\): unreachable\n/)
})
