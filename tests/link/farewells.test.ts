import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Farewells } from '../../lib/link/farewells.ts'
import { FakeClock } from './fake-clock.ts'
import { memoryPair } from './memory-socket.ts'

test('a connection whose other end never closes is closed after its time', () => {
  const clock = new FakeClock()
  const [socket] = memoryPair(clock)
  new Farewells(clock).closeSoon(socket, 500)
  clock.advance(499)
  assert.equal(socket.isDestroyed, false)
  clock.advance(1)
  assert.equal(socket.isDestroyed, true)
})

test('ending all closes what is left at once and leaves no timer', () => {
  const clock = new FakeClock()
  const sockets = [memoryPair(clock)[0], memoryPair(clock)[0]]
  const farewells = new Farewells(clock)
  for (const socket of sockets) farewells.closeSoon(socket)
  farewells.close()
  assert.deepEqual(
    sockets.map((socket) => socket.isDestroyed),
    [true, true],
  )
  assert.equal(clock.timerCount, 0)
})
