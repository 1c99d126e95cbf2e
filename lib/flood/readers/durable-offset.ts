// How far a durable reader is done, and writing that down. Bundles are opened in the order of arrival and done in any order;
// the offset is the end of what is done without a gap, so that nothing before it is needed again and all behind it comes
// again after a restart. docs/guide.md, "Durable readers".

import type { Clock, Timer } from '../../io/world.ts'
import { BUNDLE_MESSAGES_MAX } from '../../limits.ts'
import type { BundleStore, ReaderOffset } from '../bundle-store.ts'
import { Fifo } from './fifo.ts'

/** Longest time between an acknowledgement and the write that remembers it. */
export const OFFSET_WRITE_MS = 50
/** As an offset's index: all of that bundle. */
export const WHOLE_BUNDLE: number = BUNDLE_MESSAGES_MAX - 1
/** In place of an arrival: a current retained value, told before the reading began. */
const BEFORE_READING = 0

/** One bundle, and which of its messages are done. */
export interface OpenBundle {
  readonly arrival: number
  /** 1 where a message is done. */
  readonly done: Uint8Array
  /** Messages done from the first on without a gap. */
  prefix: number
}

export class DurableOffset {
  readonly #name: string
  readonly #store: Pick<BundleStore, 'writeOffset'>
  readonly #clock: Clock
  readonly #open = new Fifo<OpenBundle>()
  /** Arrival of the last bundle that was read; null while what precedes the reading is being told. */
  #position: number | null
  #written: ReaderOffset | null
  #timer: Timer | null = null

  /** `written`: what the store has under `name`; null: nothing, and nothing is written before `startAt`. */
  constructor(name: string, store: Pick<BundleStore, 'writeOffset'>, clock: Clock, written: ReaderOffset | null) {
    this.#name = name
    this.#store = store
    this.#clock = clock
    this.#written = written
    this.#position = written === null ? null : written.arrival - 1
  }

  /** The reading begins behind this arrival. What was opened with `openBefore` still counts. */
  startAt(arrival: number): void {
    this.#position = arrival
    this.#changed()
  }

  /** A value that is told before the reading begins. No offset is written before all of them are done. */
  openBefore(count: number): OpenBundle {
    return this.#opened(BEFORE_READING, count)
  }

  /** The next bundle by arrival: its messages are not done. */
  open(arrival: number, count: number): OpenBundle {
    this.#position = arrival
    return this.#opened(arrival, count)
  }

  /** The next bundle by arrival: nothing of it is for this reader. */
  passed(arrival: number): void {
    this.#position = arrival
    if (this.#open.size === 0) this.#changed()
  }

  /** Messages of the bundle from `index` on, as many as `count`, are done; again is once. */
  done(bundle: OpenBundle, index: number, count: number = 1): void {
    bundle.done.fill(1, index, index + count)
    if (bundle.done[bundle.prefix] !== 1) return
    const next = bundle.done.indexOf(0, bundle.prefix)
    bundle.prefix = next === -1 ? bundle.done.length : next
    if (bundle !== this.#open.peek()) return
    for (let head = this.#open.peek(); head !== undefined; head = this.#open.peek()) {
      if (head.prefix < head.done.length) break
      this.#open.shift()
    }
    this.#changed()
  }

  /** Where the reader would go on; null when it would begin anew. Never falls back. */
  get offset(): ReaderOffset | null {
    const offset = this.#endOfDone()
    const written = this.#written
    if (offset === null || written === null) return written ?? offset
    const isBehind =
      offset.arrival < written.arrival || (offset.arrival === written.arrival && offset.index < written.index)
    return isBehind ? written : offset
  }

  /** Writes what is not yet written. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = null
    const { offset } = this
    if (offset === null) return
    if (offset.arrival === this.#written?.arrival && offset.index === this.#written.index) return
    this.#written = offset
    this.#store.writeOffset(this.#name, offset)
  }

  #endOfDone(): ReaderOffset | null {
    const head = this.#open.peek()
    if (head?.arrival === BEFORE_READING) return null
    if (head === undefined || head.prefix === 0) {
      const before = head === undefined ? this.#position : head.arrival - 1
      return before === null ? null : { arrival: before, index: WHOLE_BUNDLE }
    }
    return { arrival: head.arrival, index: head.prefix - 1 }
  }

  #opened(arrival: number, count: number): OpenBundle {
    const bundle: OpenBundle = { arrival, done: new Uint8Array(count), prefix: 0 }
    this.#open.push(bundle)
    return bundle
  }

  #changed(): void {
    this.#timer ??= this.#clock.timer(OFFSET_WRITE_MS, () => this.flush())
  }
}
