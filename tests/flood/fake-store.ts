// A BundleStore of arrays and maps for the tests of what stands on one: plain enough to be right at a glance, slow where that
// does not matter. It may be told to be durable only when `commit` is called, to be behind, and to prune.

import { bytesKey } from '../../lib/bytes.ts'
import { ageAt, type Bundle, BundleFlag, bundleKey } from '../../lib/flood/bundle.ts'
import type {
  BundleStore,
  ReaderOffset,
  ScanBounds,
  Sift,
  StoreCounts,
  StoredBundle,
  TakenNumbers,
} from '../../lib/flood/bundle-store.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import { include } from '../../lib/flood/spans.ts'

export interface FakeStoreOptions {
  nowMs?(): number
  /** True: nothing can be found before `commit`. */
  commits?: boolean
}

interface Held {
  readonly bundle: Bundle
  readonly arrival: number
  readonly topic: string
}

export class FakeStore implements BundleStore {
  readonly holdings: Holdings = new Holdings()
  readonly #nowMs: () => number
  readonly #commits: boolean
  #pending: Held[] = []
  /** By arrival. */
  #held: Held[] = []
  /** For each `originKey` and epoch, by first sequence. */
  readonly #rows = new Map<string, Held[]>()
  readonly #current = new Map<string, Held>()
  readonly #taken = new Map<string, { originKey: string; epoch: number; ranges: number[] }>()
  readonly #offsets = new Map<string, ReaderOffset>()
  readonly #arrivalListeners = new Set<() => void>()
  readonly #easedListeners = new Set<() => void>()
  #arrivals = 0
  #isBehind = false
  /** Scans find nothing, and say so. */
  isUnreadable = false
  readFailures = 0
  lastArrival = 0
  /** How often a scan of sequences was made, and how many bundles it looked at. */
  scans = 0
  looked = 0
  /** What is looked at and not given counts as read from a disk. */
  isOnDisk = false
  vainRows = 0

  constructor(options: FakeStoreOptions = {}) {
    this.#nowMs = options.nowMs ?? (() => 0)
    this.#commits = options.commits ?? false
  }

  get counts(): StoreCounts {
    const bytes = (all: readonly Held[]): number => all.reduce((sum, { bundle }) => sum + bundle.sealed.length, 0)
    return { bundles: this.#held.length, bytes: bytes(this.#held), pendingBytes: bytes(this.#pending), notSaved: 0 }
  }

  get firstArrival(): number {
    return this.#held.find((held) => !this.#isCurrent(held))?.arrival ?? this.lastArrival + 1
  }

  get isBehind(): boolean {
    return this.#isBehind
  }

  set isBehind(isBehind: boolean) {
    const isEased = this.#isBehind && !isBehind
    this.#isBehind = isBehind
    if (isEased) for (const listener of this.#easedListeners) listener()
  }

  put(bundle: Bundle, topics: readonly string[] | null): void {
    this.#pending.push({ bundle, arrival: ++this.#arrivals, topic: topics?.[0] ?? '' })
    if (!this.#commits) this.commit()
  }

  /** What was put can be found from now on. */
  commit(): void {
    if (this.#pending.length === 0) return
    const pending = this.#pending
    this.#pending = []
    for (const held of pending) this.#save(held)
    for (const listener of this.#arrivalListeners) listener()
  }

  /** What the next run finds after a crash: all that was committed, in a new store. */
  reopened(): FakeStore {
    const next = new FakeStore({ nowMs: this.#nowMs, commits: this.#commits })
    next.#arrivals = this.#arrivals
    for (const held of this.#held) next.#save(held)
    for (const [key, taken] of this.#taken) next.#taken.set(key, { ...taken, ranges: taken.ranges.slice() })
    for (const [name, offset] of this.#offsets) next.#offsets.set(name, offset)
    return next
  }

  /** Forgets ordinary and outdated bundles older than `ageMs`. */
  prune(ageMs: number): void {
    const isKept = (held: Held): boolean => ageAt(held.bundle, this.#nowMs()) <= ageMs || this.#isCurrent(held)
    for (const held of this.#held.filter((one) => !isKept(one))) {
      const { originKey, epoch, first, count } = held.bundle
      const row = this.#rows.get(rowKey(originKey, epoch))!
      row.splice(row.indexOf(held), 1)
      this.holdings.remove(originKey, epoch, first, first + count - 1)
    }
    this.#held = this.#held.filter(isKept)
  }

  younger(originKey: string, epoch: number, first: number, ageMs: number): void {
    const row = this.#rows.get(rowKey(originKey, epoch)) ?? []
    const at = row.findIndex(({ bundle }) => bundle.first === first)
    const held = row[at]
    if (held === undefined || ageAt(held.bundle, this.#nowMs()) <= ageMs) return
    const younger = { ...held, bundle: { ...held.bundle, ageMs, heldSinceMs: this.#nowMs() } }
    row[at] = younger
    this.#held[this.#held.indexOf(held)] = younger
    const key = retainedKey(held)
    if (this.#current.get(key) === held) this.#current.set(key, younger)
  }

  scanArrivals(after: number, bounds: ScanBounds): StoredBundle[] {
    let low = 0
    let high = this.#held.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#held[middle]!.arrival <= after) low = middle + 1
      else high = middle
    }
    return bounded(this.#held.slice(low, low + bounds.bundlesMax), bounds)
  }

  scanSequences(
    originKey: string,
    epoch: number,
    first: number,
    last: number,
    ageMsMax: number,
    bounds: ScanBounds,
  ): StoredBundle[] {
    this.scans++
    if (this.isUnreadable) {
      this.readFailures++
      return []
    }
    const row = this.#rows.get(rowKey(originKey, epoch)) ?? []
    const before = this.looked
    const found: Held[] = []
    for (let at = placeIn(row, first); at < row.length && row[at]!.bundle.first <= last; at++) {
      if (found.length === bounds.bundlesMax) break
      this.looked++
      const held = row[at]!
      if (ageAt(held.bundle, this.#nowMs()) <= ageMsMax || this.#isCurrent(held)) found.push(held)
    }
    const given = bounded(found, bounds)
    // As on a disk: its place and its record.
    if (this.isOnDisk) this.vainRows += (this.looked - before - given.length) * 2
    return given
  }

  find(originKey: string, epoch: number, sequence: number): StoredBundle | null {
    const bounds = { bundlesMax: 1, bytesMax: 1 }
    return this.scanSequences(originKey, epoch, sequence, sequence, Number.POSITIVE_INFINITY, bounds)[0] ?? null
  }

  arrivalBefore(ageMs: number): number {
    const bornMs = this.#nowMs() - ageMs
    return this.#held.filter(({ bundle }) => bundle.heldSinceMs < bornMs).at(-1)?.arrival ?? 0
  }

  *retained(originKey: string | null, sift?: Sift): Iterable<StoredBundle> {
    for (const held of this.#current.values()) {
      if (originKey !== null && held.bundle.originKey !== originKey) continue
      const said = sift?.(held.bundle.epoch, held.bundle.first)
      if (said === 'stop') return
      if (said !== 'skip' && this.#isCurrent(held)) yield held
    }
  }

  isCurrent(bundle: Bundle): boolean {
    const row = this.#rows.get(rowKey(bundle.originKey, bundle.epoch)) ?? []
    const held = row.find((one) => one.bundle.key === bundle.key)
    return held !== undefined && this.#isCurrent(held)
  }

  taken(): Iterable<TakenNumbers> {
    return this.#taken.values()
  }

  readOffset(name: string): ReaderOffset | null {
    return this.#offsets.get(name) ?? null
  }

  writeOffset(name: string, offset: ReaderOffset): void {
    this.#offsets.set(name, offset)
  }

  async flushed(): Promise<void> {
    this.commit()
  }

  onArrivals(listener: () => void): () => void {
    this.#arrivalListeners.add(listener)
    return () => this.#arrivalListeners.delete(listener)
  }

  onEased(listener: () => void): () => void {
    this.#easedListeners.add(listener)
    return () => this.#easedListeners.delete(listener)
  }

  async close(): Promise<void> {
    this.commit()
  }

  #save(held: Held): void {
    const { originKey, epoch, first, count, flags } = held.bundle
    const key = rowKey(originKey, epoch)
    const row = this.#rows.get(key) ?? []
    this.#rows.set(key, row)
    row.splice(placeIn(row, first), 0, held)
    this.#held.push(held)
    this.lastArrival = held.arrival
    this.holdings.add(originKey, epoch, first, first + count - 1)
    const taken = this.#taken.get(key) ?? { originKey, epoch, ranges: [] }
    this.#taken.set(key, taken)
    include(taken.ranges, first, first + count - 1)
    if ((flags & BundleFlag.retained) === 0) return
    const newest = this.#current.get(retainedKey(held))?.bundle
    if (newest === undefined || newest.epoch < epoch || (newest.epoch === epoch && newest.first < first)) {
      this.#current.set(retainedKey(held), held)
    }
  }

  #isCurrent(held: Held): boolean {
    if ((held.bundle.flags & BundleFlag.retained) === 0 || this.#current.get(retainedKey(held)) !== held) return false
    return ageAt(held.bundle, this.#nowMs()) <= held.bundle.timeToLiveS * 1_000
  }
}

/** A bundle of numbers alone: its bytes are zeros and no signature. Enough for everything that does not look inside. */
export function plainBundle(given: {
  originKey: string
  epoch?: number
  first: number
  count?: number
  bytes?: number
  ageMs?: number
  heldSinceMs?: number
  hops?: number
  flags?: number
  timeToLiveS?: number
}): Bundle {
  const { originKey, first } = given
  const epoch = given.epoch ?? 1
  return {
    origin: Uint8Array.from(originKey, (character) => character.charCodeAt(0)),
    originKey,
    epoch,
    first,
    count: given.count ?? 1,
    sentAtMs: 0,
    flags: given.flags ?? 0,
    timeToLiveS: given.timeToLiveS ?? 0,
    sealed: new Uint8Array(given.bytes ?? 300),
    buffer: null,
    hops: given.hops ?? 1,
    ageMs: given.ageMs ?? 0,
    heldSinceMs: given.heldSinceMs ?? 0,
    key: bundleKey(originKey, epoch, first),
  }
}

/** 32 bytes as text that differ for different numbers from 0 to 2^16 - 1. */
export function plainOriginKey(number: number): string {
  return bytesKey(
    new Uint8Array(32)
      .fill(0xff)
      .fill(number >> 8, 0, 1)
      .fill(number & 0xff, 1, 2),
  )
}

function rowKey(originKey: string, epoch: number): string {
  return `${originKey}${epoch}`
}

function retainedKey({ bundle, topic }: Held): string {
  return `${bundle.originKey}${topic}`
}

/** Index of the first bundle that ends at or behind `number`. */
function placeIn(row: readonly Held[], number: number): number {
  let low = 0
  let high = row.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const { first, count } = row[middle]!.bundle
    if (first + count - 1 < number) low = middle + 1
    else high = middle
  }
  return low
}

function bounded(found: readonly Held[], { bundlesMax, bytesMax }: ScanBounds): StoredBundle[] {
  let bytes = 0
  let count = 0
  while (count < found.length && count < bundlesMax) {
    bytes += found[count]!.bundle.sealed.length
    if (count > 0 && bytes > bytesMax) break
    count++
  }
  return found.slice(0, count)
}
