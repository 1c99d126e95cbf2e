// Bundles that wait to be written: a queue with a bound in bytes. Their bytes are copied when they come, into memory that is
// used again once they have been written.

import type { Bundle } from '../flood/bundle.ts'
import { BODY_HEAD, bundleBytes, type RetainedMessage } from './record.ts'
import { Slabs } from './slabs.ts'

export interface PendingBundle {
  readonly originKey: string
  readonly epoch: number
  readonly first: number
  readonly count: number
  readonly timeToLiveS: number
  readonly hops: number
  readonly ageMs: number
  /** By the store's time. */
  readonly arrivedMs: number
  readonly sealedBytes: number
  readonly retained: RetainedMessage | null
  /** False: its numbers are to be remembered, and nothing else. */
  readonly isKept: boolean
  /** What it counts for while it waits. */
  readonly bytes: number
  /** Its place in the order of everything that is to be written. */
  readonly serial: number
  readonly slab: number
  readonly offset: number
}

const NO_BYTES: Uint8Array = new Uint8Array(0)

export class Pending {
  readonly #slabs: Slabs
  readonly #bytesMax: number
  #queue: PendingBundle[] = []
  /** Those before it have been taken out. */
  #begin = 0
  bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
    this.#slabs = new Slabs(bytesMax)
  }

  get size(): number {
    return this.#queue.length - this.#begin
  }

  at(index: number): PendingBundle {
    return this.#queue[this.#begin + index]!
  }

  /** BODY_HEAD and sealed bytes, good until it is taken out. */
  body(bundle: PendingBundle): Uint8Array {
    return this.#slabs.view(bundle.slab, bundle.offset, BODY_HEAD.length + bundle.sealedBytes)
  }

  /** Whether one more of so many sealed bytes fits the bound. */
  hasRoomFor(sealedBytes: number): boolean {
    return this.bytes + bundleBytes(sealedBytes) <= this.#bytesMax
  }

  /** Copies what it keeps. False when there is no memory for it until others are taken out. */
  add(bundle: Bundle, arrivedMs: number, retained: RetainedMessage | null, isKept: boolean, serial: number): boolean {
    const sealedBytes = isKept ? bundle.sealed.length : 0
    if (!this.#slabs.put(BODY_HEAD, isKept ? bundle.sealed : NO_BYTES)) return false
    const { slab, offset } = this.#slabs.place
    const bytes = bundleBytes(sealedBytes)
    // Named one by one: spreading one object into another costs several times as much.
    this.#queue.push({
      originKey: bundle.originKey,
      epoch: bundle.epoch,
      first: bundle.first,
      count: bundle.count,
      timeToLiveS: bundle.timeToLiveS,
      hops: bundle.hops,
      ageMs: bundle.ageMs,
      arrivedMs,
      sealedBytes,
      retained,
      isKept,
      bytes,
      serial,
      slab,
      offset,
    })
    this.bytes += bytes
    return true
  }

  /** Takes the oldest ones out: they are written. */
  shift(count: number): void {
    for (let i = 0; i < count; i++) this.#release(this.at(i))
    this.#begin += count
    if (this.#begin * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#begin)
      this.#begin = 0
    }
  }

  /** Takes one out that stands behind the `inFlight` oldest. Null when there is none. */
  drop(inFlight: number): PendingBundle | null {
    if (this.size <= inFlight) return null
    const [dropped] = this.#queue.splice(this.#begin + inFlight, 1)
    this.#release(dropped!)
    return dropped!
  }

  #release(bundle: PendingBundle): void {
    this.#slabs.release(bundle.slab)
    this.bytes -= bundle.bytes
  }
}
