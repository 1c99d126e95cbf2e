import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPEN_BYTES_MAX, Unacknowledged } from '../../../cli/api/unacknowledged.ts'
import type { Message } from '../../../lib/types.ts'

function messages(): { acknowledged: number[]; make(bytes?: number): Message } {
  const acknowledged: number[] = []
  let made = 0
  return {
    acknowledged,
    make: (bytes = 1) => {
      const number = ++made
      return { data: new Uint8Array(bytes), ack: () => acknowledged.push(number) } as unknown as Message
    },
  }
}

test('numbers count up, and each message is acknowledged once, in order', () => {
  const { acknowledged, make } = messages()
  const open = new Unacknowledged()
  for (let i = 1; i <= 10; i++) assert.equal(open.add(make()), i)
  open.through(3)
  assert.deepEqual(acknowledged, [1, 2, 3])
  open.through(1)
  open.through(3)
  assert.deepEqual(acknowledged, [1, 2, 3])
  assert.equal(open.add(make()), 11)
  open.through(8)
  open.through(1_000)
  assert.deepEqual(acknowledged, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  open.through(Number.MAX_SAFE_INTEGER)
  assert.equal(open.add(make()), 12)
  open.through(12)
  assert.equal(acknowledged.length, 12)
})

test('there is room below the bound and none at it, until enough is acknowledged or the reader has left', async () => {
  const { make } = messages()
  const open = new Unacknowledged()
  open.add(make(OPEN_BYTES_MAX - 1))
  assert.equal(open.room(), undefined)
  open.add(make(1))
  const room = open.room()
  assert.ok(room instanceof Promise)
  open.through(1)
  await room
  open.add(make(OPEN_BYTES_MAX))
  const again = open.room()
  open.close()
  await again
})
