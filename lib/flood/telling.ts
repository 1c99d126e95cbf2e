// What one neighbour is told of this node's holdings: digests when the link opens, then what differs, page by page, then what
// was added: at most once a second, and sooner what does not come to the neighbour by itself (announcing.ts). Nothing changed:
// nothing is told. docs/protocol.md, "Repair".

import { EMPTY, equalBytes } from '../bytes.ts'
import { HAVE_ENTRIES_MAX } from '../limits.ts'
import { Announcing, type AnnouncingLink } from './announcing.ts'
import { BUCKETS, DIGEST_BYTES, type Digests } from './digests.ts'
import { type Holdings, type Told, toldOf, toldOfEpoch } from './holdings.ts'
import { DIGESTS_BYTES, encodeHave, entryLength } from './repair-frames.ts'
import type { Spans } from './spans.ts'

/** Between the tellings of what was added. */
export const HAVE_INTERVAL_MS = 1_000
/** When nothing was told for that long, the first addition is told after this. */
export const HAVE_SOON_MS = 100
/** Between pages of what differs. */
export const PAGE_INTERVAL_MS = 100
/** A page ends before the entry that would make it longer, but has at least one. */
export const PAGE_BYTES = 32_768
const PAGE_ENTRIES_MAX = HAVE_ENTRIES_MAX / 2
/** Digests and how many entries make one unit of work (see `Repair.tick`); what one step may cost. */
const ENTRIES_PER_COST = 8
const STEP_COST_MAX = 200

export interface TellingOptions {
  readonly holdings: Holdings
  readonly digests: Digests
  /** Bucket of the own origin, and its key. */
  readonly ownBucket: number
  readonly ownOriginKey: string
  /** The newest epoch that was seen of the neighbour; 0: none. */
  newestEpoch(): number
  send(body: Uint8Array): void
  /** What this link does not carry unasked. */
  readonly lazy: AnnouncingLink
  /** By its digests the neighbour holds these of the own origin: as much as was held here when the link opened. */
  sharesOwn(held: readonly Told[]): void
}

/** Where the pages of what differs have come to: the bucket, and the last that was told of it. */
interface Place {
  readonly buckets: readonly number[]
  at: number
  originKey: string
  epoch: number
}

export class Telling {
  readonly #options: TellingOptions
  readonly #announcing: Announcing
  /** Made when the first is due, since many links end before; let go of, as `#theirs`, when they were compared. */
  #own: Uint8Array = EMPTY
  /** How many of `#own` are there; all: they were sent. */
  #ownCount = 0
  /** What is held of the own origin as of `#own`. */
  #ownOrigin: readonly Told[] = []
  #theirs: Uint8Array | null = null
  #differing: Place | null = null
  #isComparing = true
  /** What was added up to here (`Holdings.serial`) is told, or will be as what differs. */
  #toldSerial: number
  /** Since when something was added that is not told. */
  #addedMs: number | null = null
  #sentMs = Number.NEGATIVE_INFINITY
  /** Not before this time. */
  #notBeforeMs = Number.NEGATIVE_INFINITY

  constructor(options: TellingOptions) {
    this.#options = options
    this.#toldSerial = options.holdings.serial
    this.#announcing = new Announcing(options.holdings, options.lazy)
  }

  /** The neighbour's digests came; only the first ones of a link count. */
  digestsCame(digests: Uint8Array): void {
    if (this.#theirs === null) this.#theirs = digests.slice()
  }

  /** Does what is due, in part when it is much. Returns the work that it was. */
  work(nowMs: number): number {
    if (this.#ownCount < BUCKETS) return this.#digest(nowMs)
    if (this.#theirs === null) return 0
    if (this.#isComparing) this.#compare(this.#theirs, nowMs)
    return this.#announce(nowMs) + this.#tellRest(nowMs)
  }

  /** Something was added to the holdings: from now on `nextDeadlineMs` says when to tell of it. */
  added(nowMs: number): void {
    if (this.#theirs === null || this.#isComparing) return
    this.#announcing.added(nowMs)
    if (this.#options.holdings.serial !== this.#toldSerial) this.#addedMs ??= nowMs
  }

  /** The neighbour does not want one more tree unasked. */
  turnedLazy(): void {
    this.#announcing.again()
  }

  #tellRest(nowMs: number): number {
    const place = this.#differing
    if (place !== null) return nowMs < this.#notBeforeMs ? 0 : this.#tellPage(place, nowMs)
    return this.#tellAdded(nowMs)
  }

  /** Something before any time: at once. */
  nextDeadlineMs(): number {
    if (this.#ownCount < BUCKETS) return Number.NEGATIVE_INFINITY
    if (this.#theirs === null) return Number.POSITIVE_INFINITY
    if (this.#isComparing) return Number.NEGATIVE_INFINITY
    const soonMs = this.#announcing.nextDeadlineMs()
    if (this.#differing !== null) return Math.min(soonMs, this.#notBeforeMs)
    if (this.#options.holdings.serial === this.#toldSerial) return soonMs
    return this.#addedMs === null ? Number.NEGATIVE_INFINITY : Math.min(soonMs, this.#dueMs(this.#addedMs))
  }

  #digest(nowMs: number): number {
    const { digests, holdings, ownBucket, ownOriginKey } = this.#options
    if (this.#own.length === 0) this.#own = new Uint8Array(DIGESTS_BYTES)
    let cost = digests.settle(STEP_COST_MAX)
    while (cost < STEP_COST_MAX && this.#ownCount < BUCKETS) {
      if (this.#ownCount === ownBucket) {
        const origin = holdings.origin(ownOriginKey)
        if (origin !== null) this.#ownOrigin = toldOf(origin).map(copyOf)
      }
      cost += digests.digest(this.#ownCount, this.#own, this.#ownCount * DIGEST_BYTES)
      this.#ownCount++
    }
    if (this.#ownCount === BUCKETS) {
      this.#send(this.#own, [])
      this.#sentMs = nowMs
    }
    return 1 + cost
  }

  #compare(theirs: Uint8Array, nowMs: number): void {
    const buckets: number[] = []
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const [from, to] = [bucket * DIGEST_BYTES, (bucket + 1) * DIGEST_BYTES]
      if (!equalBytes(theirs.subarray(from, to), this.#own.subarray(from, to))) buckets.push(bucket)
    }
    if (!buckets.includes(this.#options.ownBucket)) this.#options.sharesOwn(this.#ownOrigin)
    this.#ownOrigin = []
    if (buckets.length > 0) this.#differing = { buckets, at: 0, originKey: '', epoch: -1 }
    this.#own = EMPTY
    this.#theirs = EMPTY
    this.#isComparing = false
    this.#notBeforeMs = nowMs
  }

  /** A page of what differs: everything that is held in those buckets. */
  #tellPage(place: Place, nowMs: number): number {
    const { digests } = this.#options
    const page = new Page()
    const settled = digests.settle(STEP_COST_MAX)
    if (settled >= STEP_COST_MAX) return settled
    let looked = 0
    for (let isFull = false; !isFull && place.at < place.buckets.length; ) {
      const origins = digests.origins(place.buckets[place.at]!)
      let at = origins.findIndex(({ key }) => key >= place.originKey)
      looked += origins.length
      for (; !isFull && at >= 0 && at < origins.length; at++) {
        for (const told of toldOf(origins[at]!)) {
          if (told.originKey === place.originKey && told.epoch <= place.epoch) continue
          isFull = !page.add(told)
          if (isFull) break
          place.originKey = told.originKey
          place.epoch = told.epoch
        }
      }
      if (isFull) break
      place.at++
      place.originKey = ''
      place.epoch = -1
    }
    if (place.at === place.buckets.length) this.#differing = null
    this.#sendPage(page, PAGE_INTERVAL_MS, nowMs)
    return 1 + settled + Math.ceil((page.entries.length + looked / 8) / ENTRIES_PER_COST)
  }

  #tellAdded(nowMs: number): number {
    const { holdings } = this.#options
    if (holdings.serial === this.#toldSerial) return 0
    this.#addedMs ??= nowMs
    if (nowMs < this.#dueMs(this.#addedMs)) return 0
    const page = new Page()
    let looked = 0
    let told = holdings.firstAddedAfter(this.#toldSerial)
    for (; told !== null && looked < PAGE_ENTRIES_MAX * 2; told = told.newer) {
      const entry = this.#announcing.isTold(told) ? null : toldOfEpoch(told)
      if (entry !== null && !page.add(entry)) break
      this.#toldSerial = told.serial
      looked++
    }
    if (told === null) {
      // What was added last may have been removed again since.
      this.#toldSerial = holdings.serial
      this.#addedMs = null
      this.#announcing.clear()
    }
    this.#sendPage(page, HAVE_INTERVAL_MS, nowMs)
    return 1 + Math.ceil(looked / ENTRIES_PER_COST)
  }

  #announce(nowMs: number): number {
    if (!this.#announcing.isDue(nowMs)) return 0
    const page = new Page()
    const looked = this.#announcing.look(this.#toldSerial, nowMs, (told) => page.add(told))
    if (page.entries.length > 0) this.#send(null, page.entries)
    return 1 + Math.ceil(looked / ENTRIES_PER_COST)
  }

  #dueMs(addedMs: number): number {
    return Math.max(this.#notBeforeMs, this.#sentMs + HAVE_INTERVAL_MS, addedMs + HAVE_SOON_MS)
  }

  #sendPage(page: Page, intervalMs: number, nowMs: number): void {
    if (page.entries.length === 0) return
    this.#send(null, page.entries)
    this.#sentMs = nowMs
    // An entry that cannot be parted may be longer than a page: it takes the time of as many.
    this.#notBeforeMs = nowMs + intervalMs * Math.max(1, page.bytes / PAGE_BYTES)
  }

  #send(digests: Uint8Array | null, held: readonly Told[]): void {
    this.#options.send(encodeHave({ digests, newestEpoch: this.#options.newestEpoch(), held }))
  }
}

/** Entries up to about a page. */
class Page {
  readonly entries: Told[] = []
  bytes = 0

  /** False: it is full without this one. */
  add(told: Told): boolean {
    const bytes = entryLength(told)
    const isFull = this.bytes + bytes > PAGE_BYTES || this.entries.length >= PAGE_ENTRIES_MAX
    if (isFull && this.entries.length > 0) return false
    this.bytes += bytes
    this.entries.push(told)
    return true
  }
}

function copyOf({ originKey, epoch, ranges }: Told): Told {
  return { originKey, epoch, ranges: ranges.slice() as Spans }
}
