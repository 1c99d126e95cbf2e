// The receiving end, against senders that do as they should and against those that do not.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { ByteReader } from '../../../cli/files/byte-reader.ts'
import { encodeLine, type Offer } from '../../../cli/files/messages.ts'
import {
  SLOW_AFTER_MS,
  SLOW_BYTES_PER_S,
  TRANSFERS_MAX,
  TRANSFERS_PER_PEER_MAX,
  transferId,
} from '../../../cli/files/receiver.ts'
import type { StreamEnd } from '../streams/stream-pair.ts'
import { noise, RECEIVER, receiving, SENDER, temporaryFolder } from './transfer.ts'

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const CORNER = '.meshd-partial'

/** A sender by hand. */
class Hand {
  readonly stream: StreamEnd
  readonly reader: ByteReader

  constructor(stream: StreamEnd) {
    this.stream = stream
    this.reader = new ByteReader(stream)
  }

  say(value: object): void {
    this.stream.write(encodeLine(value))
  }

  async hear(): Promise<Record<string, unknown>> {
    return JSON.parse(Buffer.from(await this.reader.line()).toString())
  }

  /** The whole talk; resolves with the last line and where it began. */
  async send(offer: Offer, bytes: Uint8Array): Promise<{ from: number; last: Record<string, unknown> }> {
    this.say(offer)
    const held = await this.hear()
    if (held.error !== undefined) return { from: 0, last: held }
    const have = held.have as number
    const from = hashOf(bytes.subarray(0, have)) === held.sha256 ? have : 0
    this.say({ from })
    this.stream.write(bytes.subarray(from))
    this.stream.end(encodeLine({ sha256: hashOf(bytes) }))
    return { from, last: await this.hear() }
  }
}

const offerOf = (bytes: Uint8Array, name: string = 'a.bin'): Offer => ({ name, size: bytes.length, mtimeMs: 1_000 })

/** Sends so many bytes of it, and then the link breaks. Resolves when the receiver has let go. */
async function sendPart(stream: StreamEnd, offer: Offer, bytes: Uint8Array, until: number): Promise<void> {
  const hand = new Hand(stream)
  hand.say(offer)
  const { have } = await hand.hear()
  hand.say({ from: have })
  stream.write(bytes.subarray(have as number, until))
  while (stream.writableLength > 0) await new Promise((resolve) => setImmediate(resolve))
  stream.cut()
}

test('a file arrives whole, under its name, for its owner alone', async (t) => {
  const path = temporaryFolder(t)
  const { open, received, folder } = await receiving(t, path)
  const bytes = noise(300_000)
  const { from, last } = await new Hand(open()).send(offerOf(bytes), bytes)
  assert.deepEqual([from, last], [0, { done: { name: 'a.bin' } }])
  assert.deepEqual(readFileSync(join(path, 'a.bin')), bytes)
  assert.equal(statSync(join(path, 'a.bin')).mode & 0o777, 0o600)
  assert.equal(statSync(join(path, CORNER)).mode & 0o777, 0o700)
  assert.equal(statSync(join(path, 'a.bin')).nlink, 1)
  assert.deepEqual(received, [
    { peer: SENDER, name: 'a.bin', path: `${folder.path}/a.bin`, bytes: 300_000, sha256: hashOf(bytes) },
  ])
  const empty = await new Hand(open()).send(offerOf(new Uint8Array(0), 'empty'), new Uint8Array(0))
  assert.deepEqual(empty.last, { done: { name: 'empty' } })
  assert.equal(statSync(join(path, 'empty')).size, 0)
})

test('what is there is never replaced: the next one gets a number', async (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'a.bin'), 'mine')
  const { open } = await receiving(t, path)
  const names: unknown[] = []
  for (let i = 0; i < 3; i++) {
    const bytes = noise(1_000, i + 1)
    names.push((await new Hand(open()).send({ ...offerOf(bytes), mtimeMs: i }, bytes)).last.done)
  }
  assert.deepEqual(names, [{ name: 'a (1).bin' }, { name: 'a (2).bin' }, { name: 'a (3).bin' }])
  assert.equal(readFileSync(join(path, 'a.bin'), 'utf8'), 'mine')
})

test('two files of one name that come at once both stay', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, path)
  const sent = await Promise.all(
    [1, 2, 3, 4].map((seed) => {
      const bytes = noise(50_000, seed)
      return new Hand(open(`peer${seed}`)).send(offerOf(bytes), bytes).then(({ last }) => ({ last, bytes }))
    }),
  )
  for (const { last, bytes } of sent) {
    assert.deepEqual(readFileSync(join(path, (last.done as { name: string }).name)), bytes)
  }
  assert.equal(readdirSync(path).filter((name) => name !== CORNER).length, 4)
})

test('two nodes that receive the same file in one folder at once do not write into each other', async (t) => {
  const path = temporaryFolder(t)
  const bytes = noise(100_000)
  const [one, other] = await Promise.all(['one', 'other'].map((self) => receiving(t, path, { self })))
  const [first, second] = [new Hand(one!.open()), new Hand(other!.open())]
  const written = async (hand: Hand, ...parts: Uint8Array[]): Promise<void> => {
    for (const part of parts) hand.stream.write(part)
    while (hand.stream.writableLength > 0) await new Promise((resolve) => setImmediate(resolve))
  }
  for (const [hand, until] of [
    [first, 40_000],
    [second, 10],
  ] as const) {
    hand.say(offerOf(bytes))
    await hand.hear()
    hand.say({ from: 0 })
    await written(hand, bytes.subarray(0, until))
  }
  for (const [hand, from, name] of [
    [first, 40_000, 'a.bin'],
    [second, 10, 'a (1).bin'],
  ] as const) {
    await written(hand, bytes.subarray(from), encodeLine({ sha256: hashOf(bytes) }))
    assert.deepEqual(await hand.hear(), { done: { name } })
    assert.deepEqual(readFileSync(join(path, name)), bytes)
  }
})

test('a transfer that broke goes on behind what has come', async (t) => {
  const path = temporaryFolder(t)
  const bytes = noise(500_000)
  const first = await receiving(t, path)
  await sendPart(first.open(), offerOf(bytes), bytes, 200_000)
  await first.receiver.close()
  // As after a new start of the node.
  const { open } = await receiving(t, path)
  const { from, last } = await new Hand(open()).send(offerOf(bytes), bytes)
  assert.ok(from > 0 && from <= 200_000, String(from))
  assert.deepEqual(last, { done: { name: 'a.bin' } })
  assert.deepEqual(readFileSync(join(path, 'a.bin')), bytes)
  assert.deepEqual(
    readdirSync(join(path, CORNER)).filter((name) => !name.endsWith('.done')),
    [],
  )
})

test('what has come and is not the same any more is sent again', async (t) => {
  const path = temporaryFolder(t)
  const bytes = noise(10_000)
  const { open } = await receiving(t, path)
  const partial = join(path, CORNER, `${transferId(SENDER, RECEIVER, offerOf(bytes))}.part`)
  for (const there of [noise(5_000, 9), Buffer.concat([bytes, noise(1)])]) {
    writeFileSync(partial, there)
    const { from, last } = await new Hand(open()).send({ ...offerOf(bytes) }, bytes)
    assert.equal(from, 0)
    const { name } = last.done as { name: string }
    assert.deepEqual(readFileSync(join(path, name)), bytes)
    unlinkSync(join(path, name))
  }
})

test('the same file of the same sender is not sent twice, unless it is gone or was changed', async (t) => {
  const path = temporaryFolder(t)
  const bytes = noise(100_000)
  const { open, received } = await receiving(t, path)
  await new Hand(open()).send(offerOf(bytes), bytes)
  const again = await new Hand(open()).send(offerOf(bytes), bytes)
  assert.deepEqual(again, { from: bytes.length, last: { done: { name: 'a.bin' } } })
  assert.equal(received.length, 1)
  const edited = noise(100_000, 2)
  const other = await new Hand(open()).send(offerOf(edited), edited)
  assert.deepEqual(other, { from: 0, last: { done: { name: 'a (1).bin' } } })
  const stranger = await new Hand(open('another')).send(offerOf(bytes), bytes)
  assert.deepEqual(stranger, { from: 0, last: { done: { name: 'a (2).bin' } } })
  unlinkSync(join(path, 'a (1).bin'))
  const gone = await new Hand(open()).send(offerOf(edited), edited)
  assert.deepEqual(gone, { from: 0, last: { done: { name: 'a (1).bin' } } })
  writeFileSync(join(path, 'a (1).bin'), 'x')
  const changed = await new Hand(open()).send(offerOf(edited), edited)
  assert.deepEqual(changed, { from: 0, last: { done: { name: 'a (3).bin' } } })
})

test('what does not have the hash that the sender says is not kept', async (t) => {
  const path = temporaryFolder(t)
  const { open, failed } = await receiving(t, path)
  const hand = new Hand(open())
  hand.say(offerOf(Buffer.alloc(3)))
  await hand.hear()
  hand.say({ from: 0 })
  hand.stream.write('abc')
  hand.say({ sha256: hashOf(Buffer.from('abd')) })
  const { error } = await hand.hear()
  assert.equal((error as { code: string }).code, 'wrong-hash')
  await hand.reader.drain()
  assert.deepEqual(readdirSync(path), [CORNER])
  assert.deepEqual(readdirSync(join(path, CORNER)), [])
  assert.deepEqual(failed, [])
})

test('names that are paths, files that are too large and talk that is none are refused', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, path, { fileBytesMax: 1_000 })
  for (const [offer, code] of [
    [{ name: '../x', size: 1, mtimeMs: 0 }, 'bad-name'],
    [{ name: '/etc/passwd', size: 1, mtimeMs: 0 }, 'bad-name'],
    [{ name: '.ssh', size: 1, mtimeMs: 0 }, 'bad-name'],
    [{ name: 'a', size: 1_001, mtimeMs: 0 }, 'too-large'],
    [{ name: 'a' }, 'bad-request'],
  ] as const) {
    const hand = new Hand(open())
    hand.say(offer)
    assert.equal(((await hand.hear()).error as { code: string }).code, code)
    hand.stream.end()
    await hand.reader.drain()
  }
  const bytes = noise(1_000)
  assert.deepEqual((await new Hand(open()).send(offerOf(bytes), bytes)).last, { done: { name: 'a.bin' } })
})

test('a talk that ends anywhere leaves nothing under the name, and what came is kept for another time', async (t) => {
  const path = temporaryFolder(t)
  const bytes = Buffer.from('content')
  const talk = Buffer.concat([
    encodeLine(offerOf(bytes)),
    encodeLine({ from: 0 }),
    bytes,
    encodeLine({ sha256: hashOf(bytes) }),
  ])
  for (let at = 0; at < talk.length; at++) {
    const { open, receiver } = await receiving(t, path)
    const stream = open()
    stream.end(talk.subarray(0, at))
    await new Promise((resolve) => stream.on('close', resolve).resume())
    await receiver.close()
    assert.deepEqual(readdirSync(path), [CORNER], `ended at ${at}`)
    for (const file of readdirSync(join(path, CORNER))) unlinkSync(join(path, CORNER, file))
  }
})

test('at most so many transfers at once, in all and of one peer', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, path)
  const hands: Hand[] = []
  const begin = async (peer: string, i: number): Promise<string> => {
    const hand = new Hand(open(peer))
    hands.push(hand)
    hand.say({ name: `f${i}`, size: 10, mtimeMs: 0 })
    const { error } = await hand.hear()
    return (error as { code: string } | undefined)?.code ?? 'taken'
  }
  for (let i = 0; i < TRANSFERS_PER_PEER_MAX; i++) assert.equal(await begin('a', i), 'taken')
  assert.equal(await begin('a', 99), 'busy')
  for (let i = TRANSFERS_PER_PEER_MAX; i < TRANSFERS_MAX; i++) assert.equal(await begin('b', i), 'taken')
  assert.equal(await begin('c', 99), 'busy')
  hands[0]!.stream.destroy()
  let answer = 'busy'
  while (answer === 'busy') answer = await begin('c', 100)
  assert.equal(answer, 'taken')
  for (const { stream } of hands) stream.cut()
})

test('where all places are taken, the slowest of those that hardly send anything gives way, and goes on later', async (t) => {
  let nowMs = 0
  const { open } = await receiving(t, temporaryFolder(t), { nowMs: () => nowMs })
  const begin = async (peer: string, name: string, sent: number): Promise<Hand | null> => {
    const hand = new Hand(open(peer))
    const bytes = noise(10_000_000)
    hand.say(offerOf(bytes, name))
    if ((await hand.hear()).error !== undefined) return null
    hand.say({ from: 0 })
    hand.stream.write(bytes.subarray(0, sent))
    while (hand.stream.writableLength > 0) await new Promise((resolve) => setImmediate(resolve))
    return hand
  }
  const least = (SLOW_AFTER_MS / 1_000) * SLOW_BYTES_PER_S
  const hands: Hand[] = []
  for (let i = 0; i < TRANSFERS_MAX; i++) {
    hands.push((await begin(`peer ${i % 2}`, `f${i}`, i < 2 ? 1_000 * (2 - i) : least + 100_000))!)
  }
  nowMs = SLOW_AFTER_MS - 1
  assert.equal(await begin('late', 'a', 0), null)
  nowMs = SLOW_AFTER_MS
  const late = await begin('late', 'a', least * 2)
  assert.ok(late)
  await assert.rejects(hands[1]!.hear(), { code: 'stream-reset' })
  assert.ok(await begin('late', 'b', least * 2))
  await assert.rejects(hands[0]!.hear(), { code: 'stream-reset' })
  // All that are left bring enough.
  assert.equal(await begin('late', 'c', 0), null)
  for (const { stream } of [...hands, late]) stream.cut()
})

test('a sender whose link broke takes over from itself', async (t) => {
  const path = temporaryFolder(t)
  const { open } = await receiving(t, path)
  const bytes = noise(100_000)
  const stuck = new Hand(open())
  stuck.say(offerOf(bytes))
  await stuck.hear()
  stuck.say({ from: 0 })
  stuck.stream.write(bytes.subarray(0, 40_000))
  const { last } = await new Hand(open()).send(offerOf(bytes), bytes)
  assert.deepEqual(last, { done: { name: 'a.bin' } })
  assert.deepEqual(readFileSync(join(path, 'a.bin')), bytes)
  await assert.rejects(stuck.hear(), { code: 'stream-reset' })
})

test('a disk that is too full is told to the sender and to this node', async (t) => {
  const path = temporaryFolder(t)
  const { open, folder, failed } = await receiving(t, path)
  folder.freeBytes = async () => 999
  const bytes = noise(1_000)
  const { last } = await new Hand(open()).send(offerOf(bytes), bytes)
  assert.equal((last.error as { code: string }).code, 'disk-full')
  assert.match(failed.join(), /no room/)
  assert.ok(!existsSync(join(path, 'a.bin')))
})

test('a folder that was removed while the node runs is made again', async (t) => {
  const path = join(temporaryFolder(t), 'deep', 'inbox')
  const { open, failed } = await receiving(t, path)
  const bytes = noise(1_000)
  for (const removed of [join(path, CORNER), path, dirname(path)]) {
    rmSync(removed, { recursive: true })
    assert.deepEqual((await new Hand(open()).send(offerOf(bytes), bytes)).last, { done: { name: 'a.bin' } })
    assert.deepEqual(readFileSync(join(path, 'a.bin')), bytes)
    assert.equal(statSync(join(path, CORNER)).mode & 0o777, 0o700)
    unlinkSync(join(path, 'a.bin'))
  }
  assert.deepEqual(failed, [])
})

test('a folder that cannot be made again is told by its name, and the node takes files once it can', async (t) => {
  const path = join(temporaryFolder(t), 'inbox')
  const { open, folder, failed } = await receiving(t, path)
  const bytes = noise(1_000)
  for (const inTheWay of [path, join(path, CORNER)]) {
    rmSync(inTheWay, { recursive: true, force: true })
    mkdirSync(dirname(inTheWay), { recursive: true })
    writeFileSync(inTheWay, '')
    const { last } = await new Hand(open()).send(offerOf(bytes), bytes)
    assert.deepEqual(last, { error: { code: 'failed', text: 'the other node cannot use its folder for files' } })
    assert.match(
      failed.pop()!,
      /could not be kept in .*inbox: .*(EEXIST.*|is no folder); make it a folder of yours again/,
    )
    unlinkSync(inTheWay)
  }
  assert.deepEqual((await new Hand(open()).send(offerOf(bytes), bytes)).last, { done: { name: 'a.bin' } })
  assert.equal(folder.path, realpathSync(path))
  assert.deepEqual(failed, [])
})

test('a folder that is removed while a file comes costs that file, and says so', async (t) => {
  const path = join(temporaryFolder(t), 'inbox')
  const { open, failed } = await receiving(t, path)
  const bytes = noise(1_000)
  const hand = new Hand(open())
  hand.say(offerOf(bytes))
  await hand.hear()
  hand.say({ from: 0 })
  rmSync(path, { recursive: true })
  hand.stream.write(bytes)
  hand.stream.end(encodeLine({ sha256: hashOf(bytes) }))
  const text = 'the folder of the other node was removed meanwhile; send the file again'
  assert.deepEqual(await hand.hear(), { error: { code: 'failed', text } })
  assert.match(failed.join(), /could not be kept in .*inbox: ENOENT/)
  assert.deepEqual((await new Hand(open()).send(offerOf(bytes), bytes)).last, { done: { name: 'a.bin' } })
})

test('a receiver that stops breaks off what is under way and takes nothing more', async (t) => {
  const path = temporaryFolder(t)
  const { open, receiver } = await receiving(t, path)
  const hand = new Hand(open())
  hand.say(offerOf(noise(10)))
  await hand.hear()
  await receiver.close()
  await assert.rejects(hand.hear(), { code: 'stream-reset' })
  const late = new Hand(open())
  late.say(offerOf(noise(10)))
  assert.equal(((await late.hear()).error as { code: string }).code, 'busy')
})

test('a transfer is known by sender, receiver, name, size and date', () => {
  const offer = { name: 'a', size: 1, mtimeMs: 2 }
  const id = transferId(SENDER, RECEIVER, offer)
  assert.match(id, /^[0-9a-f]{64}$/)
  assert.equal(id, transferId(SENDER, RECEIVER, { ...offer }))
  const others = [
    transferId(RECEIVER, RECEIVER, offer),
    transferId(SENDER, SENDER, offer),
    transferId(SENDER, RECEIVER, { ...offer, name: 'b' }),
    transferId(SENDER, RECEIVER, { ...offer, size: 2 }),
    transferId(SENDER, RECEIVER, { ...offer, mtimeMs: 3 }),
  ]
  assert.equal(new Set([id, ...others]).size, 6)
})
