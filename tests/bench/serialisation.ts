// CBOR against JSON and Protocol Buffers for the signed part of a bundle: bytes, and messages a second written and read.
// Run it with `node --import tsx tests/bench/serialisation.ts`. docs/decisions/0003-cbor-against-json-and-protobuf.md
// tells what we made of it. Each reader yields origin, numbers, topics and payloads as subarrays where the form allows it.

import { performance } from 'node:perf_hooks'
import { Decoder, Encoder } from 'cbor-x'
import { CborReader } from '../../lib/framing/cbor-reader.ts'
import { headLength, writeHead } from '../../lib/framing/cbor-writer.ts'
import { readVarint, varintLength, writeVarint } from '../../lib/framing/varint.ts'

interface Content {
  readonly origin: Uint8Array
  readonly epoch: number
  readonly first: number
  readonly sentAtMs: number
  readonly flags: number
  readonly timeToLiveS: number
  readonly messages: readonly { readonly topic: string; readonly payload: Uint8Array }[]
}

interface Form {
  readonly name: string
  write(content: Content): Uint8Array
  read(bytes: Uint8Array): Content
}

const json: Form = {
  name: 'JSON, bytes as base64',
  write: ({ origin, messages, ...numbers }) =>
    Buffer.from(
      JSON.stringify({
        version: 1,
        origin: base64(origin),
        ...numbers,
        messages: messages.map(({ topic, payload }) => ({ topic, payload: base64(payload) })),
      }),
    ),
  read: (bytes) => {
    const value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
    const messages = value.messages.map((one: { topic: string; payload: string }) => ({
      topic: one.topic,
      payload: Buffer.from(one.payload, 'base64'),
    }))
    return { ...value, origin: Buffer.from(value.origin, 'base64'), messages }
  },
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

const options = { useRecords: false, variableMapSize: true, tagUint8Array: false, mapsAsObjects: false }
const encoder = new Encoder(options)
const decoder = new Decoder({ ...options, int64AsNumber: true } as object)

const cborUnchecked: Form = {
  name: 'CBOR, cbor-x alone (unchecked)',
  write: ({ origin, epoch, first, sentAtMs, flags, timeToLiveS, messages }) => {
    const list = messages.map(({ topic, payload }) => [topic, payload])
    return encoder.encode([1, origin, BigInt(epoch), first, BigInt(sentAtMs), flags, timeToLiveS, list])
  },
  read: (bytes) => {
    const [, origin, epoch, first, sentAtMs, flags, timeToLiveS, list] = decoder.decode(bytes)
    const messages = list.map(([topic, payload]: [string, Uint8Array]) => ({ topic, payload }))
    return { origin, epoch: Number(epoch), first, sentAtMs: Number(sentAtMs), flags, timeToLiveS, messages }
  },
}

const [UINT, BYTES, TEXT, ARRAY] = [0, 2, 3, 4]

const cbor: Form = {
  name: 'CBOR as here (strict)',
  write: ({ origin, epoch, first, sentAtMs, flags, timeToLiveS, messages }) => {
    const numbers = [epoch, first, sentAtMs, flags, timeToLiveS]
    const topics = messages.map(({ topic }) => Buffer.byteLength(topic))
    let length = 1 + 1 + 34 + headLength(messages.length)
    for (const number of numbers) length += headLength(number)
    messages.forEach(({ payload }, i) => {
      length += 1 + headLength(topics[i]!) + topics[i]! + headLength(payload.length) + payload.length
    })
    const out = Buffer.allocUnsafe(length)
    let at = writeHead(out, writeHead(out, writeHead(out, 0, ARRAY, 8), UINT, 1), BYTES, 32)
    out.set(origin, at)
    at += 32
    for (const number of numbers) at = writeHead(out, at, UINT, number)
    at = writeHead(out, at, ARRAY, messages.length)
    messages.forEach(({ topic, payload }, i) => {
      at = writeHead(out, writeHead(out, at, ARRAY, 2), TEXT, topics[i]!)
      at += out.write(topic, at)
      at = writeHead(out, at, BYTES, payload.length)
      out.set(payload, at)
      at += payload.length
    })
    return out
  },
  read: (bytes) => {
    const reader = new CborReader(bytes)
    reader.array(8)
    reader.uint()
    const origin = reader.bytes(32)
    const [epoch, first, sentAtMs] = [reader.uint(), reader.uint(), reader.uint()]
    const [flags, timeToLiveS] = [reader.uint(), reader.uint()]
    const messages = Array.from({ length: reader.array() }, () => {
      reader.array(2)
      return { topic: reader.text(255), payload: reader.bytes(1_048_576) }
    })
    reader.finish()
    return { origin, epoch, first, sentAtMs, flags, timeToLiveS, messages }
  },
}

/**
 * message Bundle { uint32 version = 1; bytes origin = 2; uint64 epoch = 3; uint64 first = 4; uint64 sent_at = 5;
 * uint32 flags = 6; uint32 time_to_live = 7; repeated Message messages = 8; }
 * message Message { string topic = 1; bytes payload = 2; }   (proto3: zeros are left out)
 */
const protobuf: Form = {
  name: 'Protocol Buffers, written by hand',
  write: ({ origin, epoch, first, sentAtMs, flags, timeToLiveS, messages }) => {
    const numbers: [number, number][] = [
      [0x18, epoch],
      [0x20, first],
      [0x28, sentAtMs],
      [0x30, flags],
      [0x38, timeToLiveS],
    ]
    const topics = messages.map(({ topic }) => Buffer.byteLength(topic))
    const lengths = messages.map(({ payload }, i) => field(topics[i]!) + field(payload.length))
    let length = 2 + 2 + 32
    for (const [, number] of numbers) if (number !== 0) length += 1 + varintLength(number)
    for (const inner of lengths) length += field(inner)
    const out = Buffer.allocUnsafe(length)
    out.set([0x08, 1, 0x12, 32])
    out.set(origin, 4)
    let at = 36
    const head = (tag: number, value: number): void => {
      out[at] = tag
      at = writeVarint(out, at + 1, value)
    }
    for (const [tag, number] of numbers) if (number !== 0) head(tag, number)
    messages.forEach(({ topic, payload }, i) => {
      head(0x42, lengths[i]!)
      head(0x0a, topics[i]!)
      at += out.write(topic, at)
      head(0x12, payload.length)
      out.set(payload, at)
      at += payload.length
    })
    return out
  },
  read: (bytes) => {
    const numbers = [0, 0, 0, 0, 0, 0, 0, 0]
    let origin: Uint8Array = new Uint8Array(0)
    const messages: { topic: string; payload: Uint8Array }[] = []
    eachField(bytes, 0, bytes.length, (number, value, start) => {
      if (start < 0) numbers[number] = value
      else if (number === 2) origin = bytes.subarray(start, start + value)
      else if (number === 8) messages.push(readMessage(bytes, start, start + value))
    })
    const [, , , epoch, first, sentAtMs, flags, timeToLiveS] = numbers as [
      0,
      0,
      0,
      number,
      number,
      number,
      number,
      number,
    ]
    return { origin, epoch, first, sentAtMs, flags, timeToLiveS, messages }
  },
}

function field(length: number): number {
  return 1 + varintLength(length) + length
}

/** `start` is -1 for numbers; else the value is a length and the bytes begin at `start`. */
function eachField(
  bytes: Uint8Array,
  from: number,
  end: number,
  found: (number: number, value: number, start: number) => void,
): void {
  for (let at = from; at < end; ) {
    const tag = bytes[at]!
    const head = readVarint(bytes, at + 1, end)
    if (head === null || (tag & 7) > 2) throw new Error('broken protobuf')
    at = head.next
    if ((tag & 7) === 0) {
      found(tag >> 3, head.value, -1)
      continue
    }
    if (head.value > end - at) throw new Error('broken protobuf')
    found(tag >> 3, head.value, at)
    at += head.value
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function readMessage(bytes: Uint8Array, from: number, end: number): { topic: string; payload: Uint8Array } {
  let topic = ''
  let payload: Uint8Array = new Uint8Array(0)
  eachField(bytes, from, end, (number, value, start) => {
    if (number === 1) topic = utf8.decode(bytes.subarray(start, start + value))
    else if (number === 2) payload = bytes.subarray(start, start + value)
  })
  return { topic, payload }
}

function contentOf(count: number, payloadBytes: number): Content {
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => (i * 167) & 0xff)
  return {
    origin: Uint8Array.from({ length: 32 }, (_, i) => i * 7),
    epoch: 1_800_000_000 * 2 ** 20 + 77_777,
    first: 12_345,
    sentAtMs: 1_800_000_000_123,
    flags: 0,
    timeToLiveS: 0,
    messages: Array.from({ length: count }, () => ({ topic: 'sensors/kitchen/temperature', payload })),
  }
}

/** Best of several runs: the machine is shared. */
function perSecond(run: () => unknown): number {
  let best = 0
  for (let round = 0; round < 7; round++) {
    const start = performance.now()
    let runs = 0
    while (performance.now() - start < 60) for (let i = 0; i < 20; i++, runs++) run()
    best = Math.max(best, (runs / (performance.now() - start)) * 1_000)
  }
  return best
}

const CASES: readonly [string, Content][] = [
  ['1 message of 32 bytes', contentOf(1, 32)],
  ['16 messages of 256 bytes', contentOf(16, 256)],
  ['1,000 messages of 32 bytes', contentOf(1_000, 32)],
]

for (const [title, content] of CASES) {
  console.log(
    `\n${title}\n${'form'.padEnd(36)}${'bytes'.padStart(8)}${'writes/s'.padStart(12)}${'reads/s'.padStart(12)}`,
  )
  for (const form of [cbor, cborUnchecked, protobuf, json]) {
    const bytes = form.write(content)
    const back = form.read(bytes)
    const last = back.messages.at(-1)!
    if (back.epoch !== content.epoch || Buffer.compare(last.payload, content.messages[0]!.payload) !== 0) {
      throw new Error(`${form.name} does not read what it writes`)
    }
    const rates = [perSecond(() => form.write(content)), perSecond(() => form.read(bytes))]
    const numbers = rates.map((rate) => Math.round(rate).toLocaleString('en').padStart(12))
    console.log(`${form.name.padEnd(36)}${String(bytes.length).padStart(8)}${numbers.join('')}`)
  }
}
