import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test } from 'node:test'
import { isPlausible, screened } from '../../lib/io/dns-screen.ts'

/** A header with these counts, and so many bytes behind it. */
function packet(
  questions: number,
  answers: number,
  authorities: number,
  additionals: number,
  bytes: number,
): Uint8Array {
  const all = new Uint8Array(12 + bytes)
  const view = new DataView(all.buffer)
  for (const [i, count] of [questions, answers, authorities, additionals].entries()) view.setUint16(4 + 2 * i, count)
  return all
}

test('a packet may claim as many entries as its bytes could hold, and not one more', () => {
  for (const [questions, answers, authorities, additionals] of [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
    [3, 4, 5, 6],
    [0, 256, 0, 0],
    [200, 20, 20, 16],
  ] as const) {
    const bytes = questions * 5 + (answers + authorities + additionals) * 11
    assert.ok(isPlausible(packet(questions, answers, authorities, additionals, bytes)))
    if (bytes > 0) assert.ok(!isPlausible(packet(questions, answers, authorities, additionals, bytes - 1)))
  }
  assert.ok(!isPlausible(packet(65_535, 65_535, 65_535, 65_535, 8)))
  assert.ok(!isPlausible(packet(0, 257, 0, 0, 8_000)))
  assert.ok(!isPlausible(packet(128, 43, 43, 43, 8_000)))
})

test('packets shorter than a header and longer than RFC 6762 allows are none', () => {
  for (let length = 0; length < 12; length++) assert.ok(!isPlausible(new Uint8Array(length)))
  assert.ok(isPlausible(packet(0, 0, 0, 0, 9_000 - 12)))
  assert.ok(!isPlausible(packet(0, 0, 0, 0, 9_001 - 12)))
  // The header counts, wherever in a buffer the packet lies.
  assert.ok(isPlausible(new Uint8Array(100).fill(255, 0, 50).subarray(50)))
})

test('a screened socket tells its listeners of what is wanted, and of everything else that happens', (context) => {
  const socket = createSocket('udp4')
  context.after(() => socket.close())
  const heard: unknown[] = []
  const same = screened(socket, (bytes, { port }) => bytes.length > 1 && port === 5353)
  assert.equal(same, socket)
  socket.on('message', (bytes) => heard.push(bytes.length))
  socket.on('error', (error) => heard.push(error.message))
  for (const length of [0, 1, 2, 3]) socket.emit('message', Buffer.alloc(length), { address: '::1', port: 5353 })
  socket.emit('message', Buffer.alloc(4), { address: '::1', port: 5354 })
  socket.emit('error', new Error('an error'))
  assert.deepEqual(heard, [2, 3, 'an error'])
})
