import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, EMPTY } from '../../lib/bytes.ts'
import { Inbox } from '../../lib/streams/inbox.ts'
import { seeded } from '../crypto/seeded.ts'

function drain(inbox: Inbox): Uint8Array {
  let all: Uint8Array = EMPTY
  for (let piece = inbox.take(); piece !== null; piece = inbox.take()) all = concatBytes(all, piece)
  return all
}

test('what comes goes out in order, whatever its pieces', () => {
  const random = seeded(3)
  for (let round = 0; round < 200; round++) {
    const inbox = new Inbox()
    let sent: Uint8Array = EMPTY
    let got: Uint8Array = EMPTY
    for (let i = 0; i < 40; i++) {
      const record = random.bytes(random.below(3_000) + 1)
      const piece = record.subarray(random.below(record.length))
      inbox.put(piece)
      sent = concatBytes(sent, piece)
      if (random.below(3) === 0) got = concatBytes(got, inbox.take() ?? EMPTY)
      assert.equal(inbox.bytes, sent.length - got.length)
    }
    got = concatBytes(got, drain(inbox))
    assert.deepEqual(got, sent)
    assert.equal(inbox.bytes, 0)
  }
})

test('a byte of a large record does not keep the record', () => {
  const inbox = new Inbox()
  for (let i = 0; i < 1_000; i++) inbox.put(new Uint8Array(65_519).subarray(i, i + 1))
  inbox.put(new Uint8Array(65_519).subarray(0, 2_000))
  const buffers = new Set<ArrayBufferLike>()
  for (let piece = inbox.take(); piece !== null; piece = inbox.take()) buffers.add(piece.buffer)
  const held = [...buffers].reduce((bytes, buffer) => bytes + buffer.byteLength, 0)
  assert.ok(held < 10_000, `${held} bytes for 3,000`)
})

test('a megabyte that comes byte by byte is a few pieces', () => {
  const inbox = new Inbox()
  for (let i = 0; i < 1_048_576; i++) inbox.put(Uint8Array.of(i))
  let pieces = 0
  for (let piece = inbox.take(); piece !== null; piece = inbox.take()) pieces++
  assert.ok(pieces < 100, `${pieces}`)
})

test('most of a record is kept as it lies', () => {
  const inbox = new Inbox()
  const record = new Uint8Array(65_519)
  inbox.put(record.subarray(4))
  assert.equal(inbox.take()!.buffer, record.buffer)
})

test('many that wait are taken in a time that grows with their number alone', () => {
  const inbox = new Inbox()
  for (let i = 0; i < 5_000; i++) inbox.put(new Uint8Array(1_024).fill(i))
  for (let i = 0; i < 5_000; i++) assert.equal(inbox.take()![0], i & 0xff)
  assert.equal(inbox.take(), null)
})

test('nothing put is nothing taken, and clearing drops all', () => {
  const inbox = new Inbox()
  inbox.put(EMPTY)
  assert.equal(inbox.take(), null)
  inbox.put(Uint8Array.of(1, 2))
  inbox.put(new Uint8Array(5_000))
  inbox.clear()
  assert.equal(inbox.bytes, 0)
  assert.equal(inbox.take(), null)
  inbox.put(Uint8Array.of(3))
  assert.deepEqual(inbox.take(), Uint8Array.of(3))
})
