// Puts the bundles of each run of each origin into the order of their numbers: holds back what came before its time, waits
// for what is missing, and gives a gap up when nobody brought it in time. Runs do not wait for each other: a node that
// restarted is heard at once, and what still comes of its earlier run is told in that run's own order. Pure but for the
// lookups that are handed in. docs/guide.md, "In each origin's order".

import { INTEGER_MAX } from '../../limits.ts'
import type { Bundle } from '../bundle.ts'
import type { BundleStore } from '../bundle-store.ts'
import type { Seen } from '../seen.ts'
import type { ReadBundle } from './read-bundle.ts'

/** Bytes held back in all; beyond, the gap that was noticed first is given up. */
export const HELD_BYTES_MAX: number = 16 * 1_048_576
/** Runs whose place is remembered; one more forgets one that waits for nothing. Its place is found again in the store. */
export const RUNS_MAX = 65_536
/** What is looked up at the first sight of a run, to find its place: ranges of numbers below, bundles above. */
const RANGES_BELOW_MAX = 64
const ABOVE_MAX = 16
const ABOVE_BYTES_MAX = 262_144
/** Gaps whose time is over within so short a time are given up together. */
const TOGETHER_MS = 50

export interface OriginOrderOptions {
  readonly store: Pick<BundleStore, 'find' | 'scanSequences' | 'flushed'>
  readonly seen: Pick<Seen, 'look' | 'taken'>
  readonly gapTimeoutMs: number
  /** Whether bundles were read and told before this reading began. */
  readonly goesOn: boolean
  /** Whether the first number of this run is wanted even where this node knows nothing before the first that came. */
  wantsStartOf(epoch: number): 'yes' | 'silently' | 'no'
  /** In its turn. */
  release(read: ReadBundle): void
  /** Its turn is over: it came too late. */
  late(read: ReadBundle): void
  gap(bundle: Bundle, first: number, last: number): void
  /** Call `tick` at this time. */
  wakeAt(deadlineMs: number): void
  /** Call `reachedEnd` when all that the store has now was read. */
  readOn(): void
  readonly heldBytesMax?: number
}

interface Held {
  readonly read: ReadBundle
  readonly noticedMs: number
}

/** One run of one origin. */
interface Run {
  readonly key: string
  /** The number whose turn it is. */
  next: number
  /** Below this one nobody was ever told of a gap. */
  readonly base: number
  /** Nothing of the run was told yet and its beginning may lie before what this reader asked for: no gap is told. */
  isSilent: boolean
  /** From `heldAt` on: ascending, all beyond `next`. */
  held: Held[]
  heldAt: number
}

/** Numbers from `next` up to below `end` that this node took and that have not been read. */
interface Suspicion {
  readonly run: Run
  readonly next: number
  readonly end: number
}

export class OriginOrder {
  readonly #options: OriginOrderOptions
  readonly #runs = new Map<string, Run>()
  /** Those that hold something back, in the order in which they began to. */
  readonly #waiting = new Set<Run>()
  /** Their next numbers were taken by this node but have not been read: they come yet, or never. */
  readonly #suspects = new Set<Run>()
  /** Suspicions that hold if nothing has come of them once all is written and read; null: none is being looked into. */
  #settling: { readonly suspicions: readonly Suspicion[]; isWritten: boolean } | null = null
  #heldBytes = 0

  constructor(options: OriginOrderOptions) {
    this.#options = options
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The next bundle by arrival. */
  take(read: ReadBundle, nowMs: number): void {
    const { first, count } = read.bundle
    const key = runKey(read.bundle)
    const run = this.#runs.get(key) ?? this.#begin(key, read)
    if (first + count <= run.next) {
      // Below the base no gap was told of when it was passed over.
      if (first < run.base) this.#options.gap(read.bundle, first, first + count - 1)
      return this.#options.late(read)
    }
    if (first > run.next) {
      if (this.#hold(run, read, nowMs)) this.#advance(run, nowMs)
    } else {
      this.#release(run, read)
      this.#advance(run, nowMs)
    }
    while (this.#heldBytes > (this.#options.heldBytesMax ?? HELD_BYTES_MAX)) {
      const [oldest] = this.#waiting
      this.#passOver(oldest!, headOf(oldest!)!.read.bundle.first)
      this.#advance(oldest!, nowMs)
    }
  }

  /** A bundle whose turn had come before this reading began, though not all of it was done: its run goes on behind it. */
  goOnBehind(read: ReadBundle): void {
    const { first, count } = read.bundle
    const key = runKey(read.bundle)
    this.#runs.set(key, { key, next: first + count, base: first, isSilent: false, held: [], heldAt: 0 })
    this.#options.release(read)
  }

  /** The next bundle by arrival is older than what was asked for: so is all below it, and nobody waits for that. */
  skip(bundle: Bundle, nowMs: number): void {
    const run = this.#runs.get(runKey(bundle))
    const end = bundle.first + bundle.count
    if (run === undefined || run.next >= end) return
    run.next = end
    run.isSilent = false
    this.#advance(run, nowMs)
  }

  /** Gives up the gaps whose time is over. */
  tick(nowMs: number): void {
    for (const run of [...this.#waiting]) this.#advance(run, nowMs)
    let deadlineMs = Number.POSITIVE_INFINITY
    for (const run of this.#waiting) {
      // What this node has taken is no longer waited for by time.
      if (!this.#suspects.has(run)) deadlineMs = Math.min(deadlineMs, this.#deadlineOf(headOf(run)!))
    }
    if (deadlineMs < Number.POSITIVE_INFINITY) this.#options.wakeAt(Math.max(deadlineMs, nowMs + TOGETHER_MS))
  }

  /**
   * All that the store has now was read. What this node took and what was not among it is still on its way to the disk, or
   * gone: once everything has been written and read, that can be told apart.
   */
  reachedEnd(nowMs: number): void {
    if (this.#settling?.isWritten) {
      const { suspicions } = this.#settling
      this.#settling = null
      for (const { run, next, end } of suspicions) {
        const head = headOf(run)
        if (run.next !== next || head === undefined) continue
        // Some of them may have come meanwhile, behind others that are gone.
        this.#passOver(run, Math.min(end, head.read.bundle.first))
        this.#advance(run, nowMs)
      }
    }
    if (this.#suspects.size === 0 || this.#settling !== null) return
    const suspicions = Array.from(this.#suspects, (run) => this.#suspicionOf(run))
    this.#suspects.clear()
    const settling = { suspicions, isWritten: false }
    this.#settling = settling
    const written = (): void => {
      settling.isWritten = true
      this.#options.readOn()
    }
    // What the disk does not take will not be read either: it counts as gone.
    this.#options.store.flushed().then(written, written)
  }

  #begin(key: string, read: ReadBundle): Run {
    if (this.#runs.size >= RUNS_MAX) this.#forgetOne()
    const { next, isSilent } = this.#placeOf(read)
    const run: Run = { key, next, base: next, isSilent, held: [], heldAt: 0 }
    this.#runs.set(key, run)
    return run
  }

  #forgetOne(): void {
    for (const [key, run] of this.#runs) {
      if (headOf(run) !== undefined) continue
      this.#runs.delete(key)
      return
    }
  }

  /** Where a run begins for this reader that is first seen with this bundle. */
  #placeOf({ bundle, arrival }: ReadBundle): { next: number; isSilent: boolean } {
    const { originKey, epoch, first, count } = bundle
    const { store, seen, goesOn, wantsStartOf } = this.#options
    if (goesOn) {
      // Where a later number was told in an earlier run, this one's turn is over.
      const bounds = { bundlesMax: ABOVE_MAX, bytesMax: ABOVE_BYTES_MAX }
      const above = store.scanSequences(originKey, epoch, first + count, INTEGER_MAX, Number.POSITIVE_INFINITY, bounds)
      if (above.some((stored) => stored.arrival < arrival)) return { next: first + count, isSilent: false }
    }
    const taken = seen.taken(originKey, epoch)
    const wants = wantsStartOf(epoch)
    const isRead = (number: number): boolean => {
      const found = store.find(originKey, epoch, number)
      return found !== null && found.arrival < arrival
    }
    let low = first
    for (let looked = 0; low > 0 && looked < RANGES_BELOW_MAX; looked++) {
      const below = takenBelow(taken, low)
      if (below === null) {
        return wants === 'no' ? { next: low, isSilent: false } : { next: 0, isSilent: wants === 'silently' }
      }
      const top = store.find(originKey, epoch, below.last)
      // Taken and not there: pruned, or still on its way to the disk.
      if (top === null && wants !== 'yes') return { next: below.first, isSilent: true }
      if (top !== null && top.arrival < arrival) return { next: below.last + 1, isSilent: false }
      if (isRead(below.first)) return { next: endOfRead(below.first, below.last, isRead), isSilent: false }
      low = below.first
    }
    return { next: low, isSilent: false }
  }

  /** Whether it is now the next one of its run. */
  #hold(run: Run, read: ReadBundle, nowMs: number): boolean {
    const { held, heldAt } = run
    let at = held.length
    while (at > heldAt && held[at - 1]!.read.bundle.first > read.bundle.first) at--
    held.splice(at, 0, { read, noticedMs: nowMs })
    this.#heldBytes += read.bundle.sealed.length
    this.#waiting.add(run)
    return at === heldAt
  }

  #release(run: Run, read: ReadBundle): void {
    run.next = read.bundle.first + read.bundle.count
    run.isSilent = false
    this.#options.release(read)
  }

  /** Releases what has its turn, passing over gaps whose time is over, until something is still waited for. */
  #advance(run: Run, nowMs: number): void {
    this.#suspects.delete(run)
    for (let head = headOf(run); head !== undefined; head = headOf(run)) {
      const { read } = head
      if (read.bundle.first > run.next) {
        const upTo = this.#overdue(run, head, nowMs)
        if (upTo === null) {
          if (run.heldAt > 0) run.held.splice(0, run.heldAt)
          run.heldAt = 0
          return
        }
        this.#passOver(run, upTo)
        continue
      }
      this.#heldBytes -= read.bundle.sealed.length
      run.heldAt++
      if (read.bundle.first + read.bundle.count <= run.next) this.#options.late(read)
      else this.#release(run, read)
    }
    run.held = []
    run.heldAt = 0
    this.#waiting.delete(run)
  }

  /** The number below which a run waits for nothing any more; null while it waits for its very next one. */
  #overdue(run: Run, head: Held, nowMs: number): number | null {
    const { seen } = this.#options
    const { originKey, epoch, first } = head.read.bundle
    const sighting = seen.look(originKey, epoch, run.next, first - 1)
    if (sighting === 'old-epoch') return first
    let firstTaken = first
    if (sighting === 'overlap') firstTaken = takenFrom(seen.taken(originKey, epoch), run.next) ?? first
    if (sighting === 'duplicate' || firstTaken === run.next) {
      this.#suspects.add(run)
      this.#options.readOn()
      return null
    }
    const deadlineMs = this.#deadlineOf(head)
    if (deadlineMs <= nowMs) return firstTaken
    this.#options.wakeAt(deadlineMs)
    return null
  }

  #suspicionOf(run: Run): Suspicion {
    const { originKey, epoch, first } = headOf(run)!.read.bundle
    const end = takenEnd(this.#options.seen.taken(originKey, epoch), run.next)
    return { run, next: run.next, end: Math.min(first, (end ?? run.next) + 1) }
  }

  #passOver(run: Run, upTo: number): void {
    if (!run.isSilent) this.#options.gap(headOf(run)!.read.bundle, run.next, upTo - 1)
    run.next = upTo
  }

  #deadlineOf({ noticedMs }: Held): number {
    return noticedMs + this.#options.gapTimeoutMs
  }
}

function headOf({ held, heldAt }: Run): Held | undefined {
  return held[heldAt]
}

function runKey({ originKey, epoch }: Bundle): string {
  return `${originKey}${epoch}`
}

/** A number between the two, the first of which was read and the last not, behind which reading has to go on. */
function endOfRead(first: number, last: number, isRead: (number: number) => boolean): number {
  let [read, unread] = [first, last]
  while (unread - read > 1) {
    const middle = Math.floor((read + unread) / 2)
    if (isRead(middle)) read = middle
    else unread = middle
  }
  return unread
}

/** The lowest number of at least `from` in these ranges (first, last, first, last, …), or null. */
function takenFrom(ranges: readonly number[], from: number): number | null {
  for (let i = 0; i < ranges.length; i += 2) if (ranges[i + 1]! >= from) return Math.max(from, ranges[i]!)
  return null
}

/** The end of the range that holds `number`, or null. */
function takenEnd(ranges: readonly number[], number: number): number | null {
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i + 1]! >= number) return ranges[i]! <= number ? ranges[i + 1]! : null
  }
  return null
}

/** The highest run of numbers below `number` in these ranges, cut off there, or null. */
function takenBelow(ranges: readonly number[], number: number): { first: number; last: number } | null {
  for (let i = ranges.length - 2; i >= 0; i -= 2) {
    if (ranges[i]! < number) return { first: ranges[i]!, last: Math.min(ranges[i + 1]!, number - 1) }
  }
  return null
}
