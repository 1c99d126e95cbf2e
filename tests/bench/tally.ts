// The payloads of a benchmark: how they are made, and how a node counts and checks those that come.
//
// Payload: u32 stream || u32 sequence || f64 time of publication || bytes that are the same in all || u32 sequence.
// Stream, sequence and length are checked of every payload, all bytes of one in 64: checking more would be most of the work.

import { countLatency, type Histogram } from './figures.ts'

/** What one publisher sends in a run. Its first `warmUp` messages are not counted. */
export interface Stream {
  readonly publisher: number
  readonly payloadBytes: number
  readonly count: number
  readonly warmUp: number
  /** Null: as fast as publishing lets. */
  readonly perSecond: number | null
}

export interface Counted {
  readonly delivered: number
  readonly bytes: number
  readonly duplicates: number
  readonly corrupt: number
  /** By `monotonicMs`; 0 when nothing came. */
  readonly lastAtMs: number
  /** Latencies of the stream with the smallest payloads. */
  readonly latencies: readonly (readonly [number, number])[]
}

const HEAD_BYTES = 16
const TAIL_BYTES = 4
const CHECKED_EVERY = 64

/** A clock that all processes of a machine share, in milliseconds. */
export const monotonicMs: () => number = (() => {
  let offset = Number.NEGATIVE_INFINITY
  // Whatever comes between the two readings makes the difference smaller: the largest is the truest.
  for (let i = 0; i < 100; i++) offset = Math.max(offset, Number(process.hrtime.bigint()) / 1e6 - performance.now())
  return () => performance.now() + offset
})()

const pattern = Buffer.alloc(
  1_048_576,
  Uint8Array.from({ length: 251 }, (_, i) => (i * 97) & 0xff),
)

export function makePayload(stream: number, sequence: number, bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(bytes)
  payload.set(pattern.subarray(0, bytes))
  payload.writeUInt32LE(stream, 0)
  payload.writeUInt32LE(sequence, 4)
  payload.writeDoubleLE(monotonicMs(), 8)
  payload.writeUInt32LE(sequence, bytes - TAIL_BYTES)
  return payload
}

interface StreamTally {
  readonly stream: Stream
  readonly seen: Uint8Array
  readonly latencyMs: Float32Array
  warmUps: number
  delivered: number
}

/** Counts what comes to one node. */
export class Tally {
  readonly #streams: readonly StreamTally[]
  #duplicates = 0
  #corrupt = 0
  #lastAtMs = 0
  #arrived = 0
  #whenArrived: (() => void) | null = null
  #awaited = Number.POSITIVE_INFINITY

  constructor(streams: readonly Stream[]) {
    this.#streams = streams.map((stream) => ({
      stream,
      seen: new Uint8Array(stream.warmUp + stream.count),
      latencyMs: new Float32Array(stream.count),
      warmUps: 0,
      delivered: 0,
    }))
  }

  take(payload: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
    const end = payload.length - TAIL_BYTES
    const tally = this.#streams[view.getUint32(0, true)]
    const sequence = view.getUint32(4, true)
    if (tally?.stream.payloadBytes !== payload.length || view.getUint32(end, true) !== sequence) {
      this.#corrupt++
      return
    }
    if (sequence % CHECKED_EVERY === 0 && pattern.compare(payload, HEAD_BYTES, end, HEAD_BYTES, end) !== 0) {
      this.#corrupt++
      return
    }
    if (tally.seen[sequence] !== 0) {
      this.#duplicates++
      return
    }
    tally.seen[sequence] = 1
    if (sequence < tally.stream.warmUp) tally.warmUps++
    else {
      this.#lastAtMs = monotonicMs()
      tally.latencyMs[tally.delivered++] = this.#lastAtMs - view.getFloat64(8, true)
    }
    if (++this.#arrived === this.#awaited) this.#whenArrived!()
  }

  /**
   * Resolves when all that other nodes publish has come, or only their warm-ups, or when nothing has come for `stalledMs`,
   * or after `limitMs`.
   */
  async settled(own: number, part: 'warm-up' | 'all', stalledMs: number, limitMs: number): Promise<void> {
    let awaited = 0
    for (const { stream } of this.#streams) {
      if (stream.publisher !== own) awaited += stream.warmUp + (part === 'all' ? stream.count : 0)
    }
    if (this.#arrived >= awaited) return
    this.#awaited = awaited
    await new Promise<void>((resolve) => {
      let before = this.#arrived
      let stillMs = 0
      const startMs = performance.now()
      const watch = setInterval(() => {
        stillMs = this.#arrived === before ? stillMs + 500 : 0
        before = this.#arrived
        if (stillMs >= stalledMs || performance.now() - startMs > limitMs) this.#whenArrived!()
      }, 500)
      this.#whenArrived = () => {
        clearInterval(watch)
        this.#awaited = Number.POSITIVE_INFINITY
        resolve()
      }
    })
  }

  get counted(): Counted {
    const smallest = Math.min(...this.#streams.map(({ stream }) => stream.payloadBytes))
    const latencies: Histogram = new Map()
    let delivered = 0
    let bytes = 0
    for (const tally of this.#streams) {
      delivered += tally.delivered
      bytes += tally.delivered * tally.stream.payloadBytes
      if (tally.stream.payloadBytes !== smallest) continue
      for (const ms of tally.latencyMs.subarray(0, tally.delivered)) countLatency(latencies, ms)
    }
    const lastAtMs = this.#lastAtMs
    return {
      delivered,
      bytes,
      duplicates: this.#duplicates,
      corrupt: this.#corrupt,
      lastAtMs,
      latencies: [...latencies],
    }
  }
}
