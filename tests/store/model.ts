// What a store should hold, as plainly as it can be said: one array of everything, looked through from end to end.

import type { Bundle } from '../../lib/flood/bundle.ts'
import { include } from '../../lib/flood/spans.ts'
import { bundleBytes } from '../../lib/store/record.ts'

interface Kept {
  readonly arrival: number
  readonly bundle: Bundle
  readonly bytes: number
  readonly topic: string
  readonly isRemoval: boolean
  bornMs: number
  isCurrent: boolean
  inWindow: boolean
}

export interface ModelGiven {
  readonly bundle: Bundle
  /** Null: not retained. */
  readonly topic: string | null
  readonly isRemoval: boolean
}

export class ModelStore {
  kept: Kept[] = []
  lastArrival = 0
  readonly #bytesMax: number
  readonly #ageMsMax: number

  constructor(bytesMax: number, ageMsMax: number) {
    this.#bytesMax = bytesMax
    this.#ageMsMax = ageMsMax
  }

  put({ bundle, topic, isRemoval }: ModelGiven, nowMs: number): void {
    const bytes = bundleBytes(bundle.sealed.length)
    if (bytes > this.#bytesMax) return
    const bornMs = nowMs - bundle.ageMs
    const one: Kept = {
      arrival: 0,
      bundle,
      bytes,
      topic: topic ?? '',
      isRemoval,
      bornMs,
      isCurrent: topic !== null && nowMs < bornMs + bundle.timeToLiveS * 1_000,
      inWindow: true,
    }
    const before = this.kept.find((other) => {
      return other.isCurrent && other.bundle.originKey === bundle.originKey && other.topic === one.topic
    })
    if (one.isCurrent && before !== undefined && !isNewer(bundle, before.bundle)) one.isCurrent = false
    if (!one.isCurrent && nowMs >= this.#rowExpiryMs(one)) return
    while (this.windowBytes + bytes > this.#bytesMax) this.kept.find(({ inWindow }) => inWindow)!.inWindow = false
    if (one.isCurrent && before !== undefined) this.#end(before, nowMs)
    this.kept.push({ ...one, arrival: ++this.lastArrival })
    for (;;) {
      const current = this.kept.filter(({ isCurrent }) => isCurrent)
      if (current.reduce((sum, other) => sum + other.bytes, 0) <= this.#bytesMax / 4) break
      this.#end(current[0]!, nowMs)
    }
    this.#sweep()
  }

  younger(originKey: string, epoch: number, first: number, ageMs: number, nowMs: number): void {
    for (const one of this.kept) {
      const { bundle } = one
      if (bundle.originKey !== originKey || bundle.epoch !== epoch || bundle.first !== first) continue
      const bornMs = Math.min(nowMs - ageMs, bundle.heldSinceMs)
      if (bornMs >= one.bornMs + 1_000) one.bornMs = bornMs
    }
  }

  /** Everything that must have gone by now goes. */
  expire(nowMs: number): void {
    for (const one of this.kept) {
      if (one.isCurrent && nowMs >= one.bornMs + one.bundle.timeToLiveS * 1_000) one.isCurrent = false
      if (nowMs >= this.#rowExpiryMs(one) && !one.isCurrent) one.inWindow = false
    }
    // The window goes by arrival; a current value with nothing older before it leaves it when its time as an ordinary one is over.
    for (const one of this.kept) {
      if (!one.inWindow) continue
      if (nowMs < this.#rowExpiryMs(one)) break
      one.inWindow = false
    }
    this.#sweep()
  }

  get windowBytes(): number {
    return this.kept.reduce((sum, { inWindow, bytes }) => sum + (inWindow ? bytes : 0), 0)
  }

  get bytes(): number {
    return this.kept.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get firstArrival(): number {
    return this.kept.find(({ inWindow }) => inWindow)?.arrival ?? this.lastArrival + 1
  }

  ranges(originKey: string, epoch: number): number[] {
    const ranges: number[] = []
    for (const { bundle } of this.kept) {
      if (bundle.originKey !== originKey || bundle.epoch !== epoch) continue
      include(ranges, bundle.first, bundle.first + bundle.count - 1)
    }
    return ranges
  }

  #end(one: Kept, nowMs: number): void {
    one.isCurrent = false
    if (nowMs >= this.#rowExpiryMs(one)) one.inWindow = false
  }

  #sweep(): void {
    this.kept = this.kept.filter(({ isCurrent, inWindow }) => isCurrent || inWindow)
  }

  #rowExpiryMs({ bornMs, bundle }: Kept): number {
    const { timeToLiveS } = bundle
    return bornMs + (timeToLiveS === 0 ? this.#ageMsMax : Math.min(this.#ageMsMax, timeToLiveS * 1_000))
  }
}

function isNewer(one: Bundle, other: Bundle): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.first > other.first)
}
