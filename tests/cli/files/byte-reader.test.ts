import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader } from '../../../cli/files/byte-reader.ts'
import { LINE_BYTES_MAX } from '../../../cli/files/messages.ts'
import { streamPair } from '../streams/stream-pair.ts'

test('lines and bytes are read the same, wherever the pieces are parted', async () => {
  const whole = Buffer.from('first\nsecond\n12345last\n')
  for (let at = 0; at <= whole.length; at++) {
    const [near, far] = streamPair('a', 'b')
    const reader = new ByteReader(near)
    far.write(whole.subarray(0, at))
    far.write(whole.subarray(at))
    far.end()
    assert.equal(Buffer.from(await reader.line()).toString(), 'first')
    assert.equal(Buffer.from(await reader.line()).toString(), 'second')
    let bytes = ''
    while (bytes.length < 5) bytes += Buffer.from((await reader.bytes(5 - bytes.length))!).toString()
    assert.equal(bytes, '12345')
    assert.equal(Buffer.from(await reader.line()).toString(), 'last')
    assert.equal(await reader.bytes(1), null)
    await assert.rejects(reader.line(), { code: 'connection-lost' })
  }
})

test('a line of the longest kind is read, a longer one refused before it has come', async () => {
  const [near, far] = streamPair('a', 'b')
  const reader = new ByteReader(near)
  far.write(`${'x'.repeat(LINE_BYTES_MAX)}\n`)
  assert.equal((await reader.line()).length, LINE_BYTES_MAX)
  far.write('x'.repeat(LINE_BYTES_MAX + 1))
  await assert.rejects(reader.line(), { code: 'bad-request' })
})

test('what the stream fails with is told, and draining takes it for an end', async () => {
  const [near, far] = streamPair('a', 'b')
  const reader = new ByteReader(near)
  far.write('half a line')
  far.cut()
  await assert.rejects(reader.line(), { code: 'connection-lost' })
  await reader.drain()
})

test('an end that says nothing is given up, and the time between reads does not count', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const [near, far] = streamPair('a', 'b')
  const reader = new ByteReader(near, 1_000)
  t.mock.timers.tick(10_000)
  far.write('x\n')
  assert.equal((await reader.line()).length, 1)
  const waiting = reader.line()
  t.mock.timers.tick(999)
  assert.equal(near.destroyed, false)
  t.mock.timers.tick(1)
  await assert.rejects(waiting, { code: 'timed-out' })
})
