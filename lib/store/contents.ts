// What the store in memory holds, as one thing: rows with their bytes, and the current values that may have outlived theirs.
// It answers for one bundle at a time how old it is, when it must go and what it was; it decides nothing.

import type { Bundle } from '../flood/bundle.ts'
import type { Clock } from '../io/world.ts'
import { type Current, CurrentValues } from './current.ts'
import { ageLimitMs, BODY_HEAD, bundleBytes, bundleOf, retainedLimitMs, type Scan } from './record.ts'
import { Rows } from './rows.ts'
import type { Run } from './runs.ts'
import { Slabs } from './slabs.ts'

export class Contents {
  readonly rows: Rows = new Rows()
  readonly current: CurrentValues = new CurrentValues()
  /** Of the rows, as `bundleBytes` counts them. */
  rowBytes = 0
  rowCount = 0
  readonly #slabs: Slabs
  readonly #clock: Clock
  readonly #ageMsMax: number

  constructor(clock: Clock, bytesMax: number, ageMsMax: number) {
    this.#clock = clock
    this.#ageMsMax = ageMsMax
    this.#slabs = new Slabs(bytesMax)
  }

  get bundles(): number {
    return this.rowCount + this.current.apart
  }

  get bytes(): number {
    let bytes = this.rowBytes
    if (this.current.apart > 0) for (const value of this.current.all()) if (!value.hasRow) bytes += currentBytes(value)
    return bytes
  }

  /** Copies the bytes; its arrival is what `rows.end` was. False when there is no room until an older row is dropped. */
  addRow(run: Run, bundle: Bundle): boolean {
    if (!this.#slabs.put(BODY_HEAD, bundle.sealed)) return false
    const { slab, offset } = this.#slabs.place
    this.rows.add(run, bundle, slab, offset)
    this.rowBytes += bundleBytes(bundle.sealed.length)
    this.rowCount++
    return true
  }

  /** Its bytes are given up, and unless it is current, the bundle. */
  dropRow(arrival: number): void {
    const { rows } = this
    this.#slabs.release(rows.slab(arrival))
    this.rowBytes -= bundleBytes(rows.length(arrival))
    this.rowCount--
    const value = this.current.at(arrival)
    if (value !== null) this.current.leaveRow(value)
    rows.empty(arrival)
  }

  has(arrival: number): boolean {
    return this.rows.has(arrival) || this.current.at(arrival) !== null
  }

  heldSinceMs(arrival: number): number {
    return this.rows.has(arrival) ? this.rows.heldSinceMs(arrival) : this.current.at(arrival)!.heldSinceMs
  }

  /** The age that it came with. */
  ageAtArrivalMs(arrival: number): number {
    return this.rows.has(arrival) ? this.rows.ageMs(arrival) : this.current.at(arrival)!.ageMs
  }

  setAgeAtArrivalMs(arrival: number, ageMs: number): void {
    const value = this.current.at(arrival)
    if (value !== null) value.ageMs = ageMs
    if (this.rows.has(arrival)) this.rows.setAgeMs(arrival, ageMs)
  }

  ageMs(arrival: number): number {
    return this.ageAtArrivalMs(arrival) + Math.max(0, this.#clock.nowMs() - this.heldSinceMs(arrival))
  }

  countOf(arrival: number): number {
    return this.rows.has(arrival) ? this.rows.count(arrival) : 1
  }

  /** When its row must go. */
  rowExpiryMs(arrival: number): number {
    const { rows } = this
    const limitMs = ageLimitMs(rows.timeToLiveS(arrival), this.#ageMsMax)
    return rows.heldSinceMs(arrival) - rows.ageMs(arrival) + limitMs
  }

  /** When nothing keeps it any more. */
  expiryMs(arrival: number): number {
    const value = this.current.at(arrival)
    if (value === null) return this.rowExpiryMs(arrival)
    return value.heldSinceMs - value.ageMs + retainedLimitMs(value.timeToLiveS)
  }

  /** Puts it into the scan unless it has expired or is not there. False when the scan is full. */
  give(arrival: number, scan: Scan): boolean {
    if (!this.has(arrival) || this.expiryMs(arrival) <= this.#clock.nowMs()) return true
    const length = this.rows.has(arrival) ? this.rows.length(arrival) : sealedBytes(this.current.at(arrival)!)
    if (!scan.hasRoomFor(length)) return false
    const bundle = this.restored(arrival)
    if (bundle !== null) scan.add(bundle, arrival)
    return true
  }

  /** A copy. Null when its bytes are no bundle, which cannot be. */
  restored(arrival: number): Bundle | null {
    const { rows } = this
    if (!rows.has(arrival)) {
      const { body, hops, ageMs, heldSinceMs } = this.current.at(arrival)!
      return bundleOf(new Uint8Array(body), hops, ageMs, heldSinceMs)
    }
    const body = this.#slabs.view(rows.slab(arrival), rows.offset(arrival), BODY_HEAD.length + rows.length(arrival))
    return bundleOf(new Uint8Array(body), rows.hops(arrival), rows.ageMs(arrival), rows.heldSinceMs(arrival))
  }
}

/** What a current value counts for. */
export function currentBytes(value: Current): number {
  return bundleBytes(sealedBytes(value))
}

function sealedBytes(value: Current): number {
  return value.body.length - BODY_HEAD.length
}
