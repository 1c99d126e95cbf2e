// The flood that meshd is measured by: an opponent that loses or doubles messages would flatter us.

import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { RawFlood } from './raw-flood.ts'

/** Two ends; what is written to one comes out of the other, in pieces of up to `pieceBytes`. */
function pair(pieceBytes: number): [Duplex, Duplex] {
  const ends: Duplex[] = [0, 1].map(
    (own) =>
      new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          for (let at = 0; at < chunk.length; at += pieceBytes) ends[1 - own]!.push(chunk.subarray(at, at + pieceBytes))
          setImmediate(done)
        },
      }),
  )
  return [ends[0]!, ends[1]!]
}

async function join(one: RawFlood, other: RawFlood, pieceBytes = 65_536): Promise<void> {
  const [near, far] = pair(pieceBytes)
  const dialled = one.dialled(near)
  other.accept(far)
  await dialled
}

function node(): { flood: RawFlood; heard: Buffer[] } {
  const flood = new RawFlood()
  const heard: Buffer[] = []
  flood.handler = (payload) => heard.push(Buffer.from(payload))
  return { flood, heard }
}

async function until(isDone: () => boolean): Promise<void> {
  for (let turns = 0; !isDone(); turns++) {
    assert.ok(turns < 100_000, 'it does not come to its end')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('messages arrive whole and in order, in whatever pieces the bytes come', async () => {
  for (const pieceBytes of [1, 2, 3, 7, 19, 20, 21, 1_000]) {
    const [one, other] = [node(), node()]
    await join(one.flood, other.flood, pieceBytes)
    const payloads = [1, 0, 300, 20_000, 5].map((bytes, i) => Buffer.alloc(bytes, i + 1))
    for (const payload of payloads) await one.flood.publish(payload)
    await until(() => other.heard.length === payloads.length)
    assert.deepEqual(other.heard, payloads, `pieces of ${pieceBytes}`)
  }
})

test('in a ring each message arrives once, and none at its origin', async () => {
  const nodes = Array.from({ length: 5 }, node)
  for (const [i, { flood }] of nodes.entries()) await join(flood, nodes[(i + 1) % 5]!.flood)
  for (let i = 0; i < 300; i++) {
    await Promise.all(nodes.map(({ flood }, own) => flood.publish(Buffer.from([own, i >> 8, i & 0xff]))))
  }
  await until(() => nodes.every(({ heard }) => heard.length >= 1_200))
  for (const [own, { heard }] of nodes.entries()) {
    const names = new Set(heard.map((payload) => payload.toString('hex')))
    assert.equal(heard.length, 1_200)
    assert.equal(names.size, 1_200)
    assert.ok(heard.every((payload) => payload[0] !== own))
  }
})

test('a publisher waits while a link is behind, and goes on when it is not', async () => {
  const [one, other] = [node(), node()]
  await join(one.flood, other.flood)
  let waits = 0
  for (let i = 0; i < 100; i++) {
    const room = one.flood.publish(Buffer.alloc(65_536, i))
    if (room === undefined) continue
    waits++
    await room
  }
  await until(() => other.heard.length === 100)
  assert.ok(waits > 0)
  assert.ok(other.heard.every((payload, i) => payload[0] === i && payload.length === 65_536))
})

test('a connection that closes before its greeting is an error', async () => {
  const [near] = pair(1)
  const dialled = new RawFlood().dialled(near)
  near.destroy()
  await assert.rejects(dialled, /before the greeting/)
})
