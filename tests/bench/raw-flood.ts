// The flood that somebody who knows TCP would write by hand: raw TCP, TLS and secret-stream all run it, over their own byte
// streams. No topics, no signatures, no repair: what it carries less is what meshd is to be measured by.
//
// Frame: u32 length of the rest || f64 origin (chance) || u32 sequence || payload; little-endian. A length of 0 greets: the
// accepting end is there. Frames of one turn leave in writes of up to 64 KiB; large ones are not copied. A message goes to
// every link but the one it came from, once. A publisher waits while a link of its own has more than 256 KiB unsent. Relays
// queue without a bound: to stop reading instead would let rings of full links wait for each other for ever.

import type { Duplex } from 'node:stream'

const HEAD_BYTES = 16
const WRITE_BYTES_MAX = 65_536
/** Frames from this size on are written as they are: a copy costs more than a further entry of a writev. */
const COPIED_BYTES_MAX = 16_384
const UNSENT_BYTES_MAX = 262_144

/** What was seen of one origin: all below `next`, and these beyond. Links keep order, so `ahead` stays small. */
interface Seen {
  next: number
  readonly ahead: Set<number>
}

/** One connection: gathers what a turn sends, and cuts what comes into frames. */
class FloodLink {
  readonly stream: Duplex
  readonly greeted: Promise<void>
  readonly closed: Promise<void>
  readonly #flood: RawFlood
  #greet: () => void = () => undefined
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #isBlocked = false
  #isScheduled = false
  #parts: Buffer[] = []
  #partBytes = 0
  #neededBytes = 4

  constructor(flood: RawFlood, stream: Duplex) {
    this.#flood = flood
    this.stream = stream
    this.greeted = new Promise((resolve) => {
      this.#greet = resolve
    })
    this.closed = new Promise((resolve) => stream.once('close', resolve))
    stream.on('data', (chunk: Buffer) => this.#cut(chunk))
    stream.on('drain', () => {
      this.#isBlocked = false
      this.#flush()
    })
  }

  get unsentBytes(): number {
    return this.#queuedBytes + this.stream.writableLength
  }

  send(frame: Uint8Array): void {
    this.#queue.push(frame)
    this.#queuedBytes += frame.length
    if (this.#isBlocked || this.#isScheduled) return
    this.#isScheduled = true
    process.nextTick(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const queue = this.#queue
    let at = 0
    while (at < queue.length && !this.#isBlocked) {
      const start = at
      let bytes = queue[at++]!.length
      if (bytes <= COPIED_BYTES_MAX) {
        while (at < queue.length && bytes + queue[at]!.length <= WRITE_BYTES_MAX) bytes += queue[at++]!.length
      }
      this.#queuedBytes -= bytes
      const piece = at - start === 1 ? queue[start]! : joined(queue, start, at, bytes)
      this.#isBlocked = !this.stream.write(piece)
    }
    if (at === queue.length) this.#queue = []
    else if (at > 0) queue.splice(0, at)
    // Not only at 'drain': a write that the system took at once has none.
    this.#flood.drained()
  }

  #cut(chunk: Buffer): void {
    let bytes = chunk
    if (this.#partBytes > 0) {
      this.#parts.push(chunk)
      this.#partBytes += chunk.length
      // A large frame is joined once, when all of it is there.
      if (this.#partBytes < this.#neededBytes) return
      bytes = Buffer.concat(this.#parts, this.#partBytes)
      this.#parts = []
      this.#partBytes = 0
    }
    let at = 0
    for (;;) {
      this.#neededBytes = bytes.length - at < 4 ? 4 : 4 + bytes.readUInt32LE(at)
      if (bytes.length - at < this.#neededBytes) break
      const end = at + this.#neededBytes
      if (end - at === 4) this.#greet()
      else this.#flood.received(this, bytes.subarray(at, end))
      at = end
    }
    if (at === bytes.length) return
    this.#parts.push(at === 0 ? bytes : bytes.subarray(at))
    this.#partBytes = bytes.length - at
  }
}

function joined(frames: readonly Uint8Array[], start: number, end: number, bytes: number): Buffer {
  const whole = Buffer.allocUnsafe(bytes)
  let at = 0
  for (let i = start; i < end; i++) {
    whole.set(frames[i]!, at)
    at += frames[i]!.length
  }
  return whole
}

/** The links of one node, and what it has seen. */
export class RawFlood {
  readonly #links = new Set<FloodLink>()
  readonly #origin: number = Math.random()
  readonly #seen = new Map<number, Seen>()
  #sequence = 0
  #handler: (payload: Uint8Array) => void = () => undefined
  #waiting: (() => void)[] = []
  #dialled: FloodLink | null = null

  get links(): number {
    return this.#links.size
  }

  set handler(given: (payload: Uint8Array) => void) {
    this.#handler = given
  }

  /** Takes the stream of a connection that came in, once its other end is proven. */
  accept(stream: Duplex): void {
    this.#add(stream).send(new Uint8Array(4))
  }

  /** Takes the stream of a connection of our own. Resolves with the greeting; rejects when it closes before that. */
  async dialled(stream: Duplex): Promise<void> {
    const link = this.#add(stream)
    this.#dialled = link
    const closed = link.closed.then(() => Promise.reject(new Error('closed before the greeting')))
    await Promise.race([link.greeted, closed])
  }

  /** Ends the connection that was dialled last. */
  async hangUp(): Promise<void> {
    this.#dialled!.stream.end()
    this.#dialled!.stream.destroy()
    await this.#dialled!.closed
  }

  /** Undefined when there is room for more; else what resolves when there is. */
  publish(payload: Uint8Array): Promise<void> | undefined {
    const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.length)
    frame.writeUInt32LE(frame.length - 4, 0)
    frame.writeDoubleLE(this.#origin, 4)
    frame.writeUInt32LE(this.#sequence++, 12)
    frame.set(payload, HEAD_BYTES)
    for (const link of this.#links) link.send(frame)
    return this.#isFull() ? this.#room() : undefined
  }

  received(from: FloodLink, frame: Buffer): void {
    const origin = frame.readDoubleLE(4)
    if (origin === this.#origin || !this.#isNew(origin, frame.readUInt32LE(12))) return
    for (const link of this.#links) if (link !== from) link.send(frame)
    this.#handler(frame.subarray(HEAD_BYTES))
  }

  drained(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  close(): void {
    for (const { stream } of this.#links) stream.destroy()
  }

  #add(stream: Duplex): FloodLink {
    const link = new FloodLink(this, stream)
    this.#links.add(link)
    stream.on('close', () => {
      this.#links.delete(link)
      this.drained()
    })
    // Its end comes as 'close' in any case.
    stream.on('error', () => undefined)
    return link
  }

  #isFull(): boolean {
    for (const link of this.#links) if (link.unsentBytes > UNSENT_BYTES_MAX) return true
    return false
  }

  async #room(): Promise<void> {
    while (this.#isFull()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #isNew(origin: number, sequence: number): boolean {
    let seen = this.#seen.get(origin)
    if (seen === undefined) {
      seen = { next: 0, ahead: new Set() }
      this.#seen.set(origin, seen)
    }
    if (sequence < seen.next || seen.ahead.has(sequence)) return false
    if (sequence !== seen.next) {
      seen.ahead.add(sequence)
      return true
    }
    seen.next++
    while (seen.ahead.size > 0 && seen.ahead.delete(seen.next)) seen.next++
    return true
  }
}
