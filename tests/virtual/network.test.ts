// The simulated network keeps its promises, since whatever is tested on it is as true as these are.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../lib/bytes.ts'
import type { Socket } from '../../lib/io/world.ts'
import { NodeClock, VirtualTime } from './clock.ts'
import { type VirtualHost, VirtualNetwork } from './network.ts'
import { WINDOW_BYTES } from './socket.ts'

interface End {
  readonly socket: Socket
  readonly chunks: Uint8Array[]
  readonly heard: string[]
}

function endOf(socket: Socket): End {
  const end: End = { socket, chunks: [], heard: [] }
  socket.attach({
    data: (bytes) => end.chunks.push(bytes),
    drained: () => end.heard.push('drained'),
    ended: () => end.heard.push('ended'),
    closed: (error) => end.heard.push(`closed ${error?.message ?? 'orderly'}`),
  })
  return end
}

async function joined(): Promise<{ time: VirtualTime; network: VirtualNetwork; near: End; far: End }> {
  const time = new VirtualTime()
  const network = new VirtualNetwork(time, 1)
  const [a, b] = [network.host('10.0.0.1'), network.host('10.0.0.2')]
  let accepted: Socket | null = null
  await b.tcp.listen({ host: '::', port: 80 }, (socket) => {
    accepted = socket
  })
  const near = await time.of(dial(a))
  return { time, network, near: endOf(near), far: endOf(accepted!) }
}

function dial(host: VirtualHost, port = 80, signal = new AbortController().signal): Promise<Socket> {
  return host.tcp.dial({ host: '10.0.0.2', port }, signal)
}

test('bytes arrive in order after the delay of the path, in chunks of any size', async () => {
  const { time, network, near, far } = await joined()
  network.chunkBytesMax = 7
  network.path('10.0.0.1', '10.0.0.2').delayMs = 20
  const bytes = Uint8Array.from({ length: 100 }, (_, index) => index)
  near.socket.write(bytes.slice(0, 60))
  near.socket.write(bytes.slice(60))
  await time.run(19)
  assert.equal(far.chunks.length, 0)
  await time.run(2)
  assert.deepEqual(concatBytes(...far.chunks), bytes)
  assert.ok(far.chunks.length >= 15 && far.chunks.every((chunk) => chunk.length <= 7))
  assert.deepEqual(near.heard, ['drained'])
})

test('a FIN arrives behind the bytes, and both ends are closed when both have sent theirs', async () => {
  const { time, near, far } = await joined()
  near.socket.write(new Uint8Array(10))
  near.socket.end()
  await time.run(5)
  assert.deepEqual(far.heard, ['ended'])
  far.socket.write(new Uint8Array(5))
  far.socket.end()
  await time.run(5)
  assert.equal(near.chunks.length, 1)
  assert.deepEqual(near.heard, ['drained', 'ended', 'closed orderly'])
  assert.deepEqual(far.heard, ['ended', 'drained', 'closed orderly'])
})

test('a reader that stopped makes bytes pile up at the writer beyond the window', async () => {
  const { time, near, far } = await joined()
  far.socket.pause()
  let freed = 0
  for (let i = 0; i < 40; i++) near.socket.write(new Uint8Array(10_000), () => freed++)
  await time.run(1_000)
  assert.equal(near.socket.unsentBytes, 400_000 - WINDOW_BYTES)
  assert.equal(freed, Math.floor(WINDOW_BYTES / 10_000))
  assert.deepEqual(near.heard, [])
  far.socket.resume()
  await time.run(1_000)
  assert.equal(near.socket.unsentBytes, 0)
  assert.equal(freed, 40)
  assert.equal(
    far.chunks.reduce((sum, { length }) => sum + length, 0),
    400_000,
  )
  assert.deepEqual(near.heard, ['drained'])
})

test('a cut path is silent, and what was held up goes on when it is restored', async () => {
  const { time, network, near, far } = await joined()
  network.cut('10.0.0.1', '10.0.0.2')
  near.socket.write(Uint8Array.of(1))
  near.socket.write(Uint8Array.of(2))
  near.socket.end()
  const hanging = dial(network.host('10.0.0.1'))
  await time.run(100_000)
  assert.deepEqual([far.chunks, far.heard], [[], []])
  network.restore('10.0.0.1', '10.0.0.2')
  await time.run(5)
  assert.deepEqual(concatBytes(...far.chunks), Uint8Array.of(1, 2))
  assert.deepEqual(far.heard, ['ended'])
  await time.of(hanging)
})

test('a reset is heard at the next read or write, and not by a paused socket; on a cut path it is lost', async () => {
  const first = await joined()
  first.far.socket.pause()
  first.near.socket.destroy({ reset: true })
  await first.time.run(1_000)
  assert.deepEqual(first.far.heard, [])
  first.far.socket.resume()
  await first.time.run(1)
  assert.deepEqual(first.far.heard, ['closed read ECONNRESET'])
  assert.deepEqual(first.near.heard, ['closed orderly'])

  const second = await joined()
  second.network.cut('10.0.0.1', '10.0.0.2')
  second.near.socket.destroy({ reset: true })
  await second.time.run(10)
  second.network.restore('10.0.0.1', '10.0.0.2')
  await second.time.run(1_000)
  assert.deepEqual(second.far.heard, [])
  // The machine that has forgotten the connection says so to whoever still uses it.
  second.far.socket.write(new Uint8Array(1))
  await second.time.run(10)
  assert.deepEqual(second.far.heard, ['drained', 'closed read ECONNRESET'])
})

test('dials are refused where nobody listens, find no host where there is none, and can be given up', async () => {
  const { time, network } = await joined()
  const a = network.host('10.0.0.1')
  await assert.rejects(time.of(dial(a, 81)), { code: 'dial-failed', message: /refused/ })
  const signal = new AbortController().signal
  await assert.rejects(time.of(a.tcp.dial({ host: '10.0.0.9', port: 80 }, signal)), { message: /no route/ })
  const giveUp = new AbortController()
  const aborted = assert.rejects(dial(a, 80, giveUp.signal), { code: 'aborted' })
  await time.run(1.5)
  giveUp.abort()
  await aborted
  assert.equal(a.sockets.size, 1)
  await assert.rejects(
    network.host('10.0.0.2').tcp.listen({ host: '::', port: 80 }, () => {}),
    { code: 'listen-failed' },
  )
})

test('promises are followed between events, the end of a turn comes after them, and a livelock fails', async () => {
  const time = new VirtualTime()
  const clock = new NodeClock(time)
  const order: string[] = []
  clock.timer(5, () => {
    clock.endOfTurn(() => order.push('end of turn'))
    void Promise.resolve()
      .then(() => {})
      .then(() => order.push('promise'))
    order.push('timer')
  })
  clock.timer(5, () => order.push('same moment'))
  clock.timer(6, () => order.push('later')).cancel()
  await time.run(10)
  assert.deepEqual(order, ['timer', 'promise', 'same moment', 'end of turn'])
  assert.equal(clock.timerCount, 0)
  await assert.rejects(
    time.until('never', () => false, 5),
    /not within 5 ms/,
  )
  time.eventsMax = 1_000
  const again = (): void => {
    clock.timer(0, again)
  }
  again()
  await assert.rejects(time.run(1), /no rest after 1000 events/)
})
