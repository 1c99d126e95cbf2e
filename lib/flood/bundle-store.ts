// What the flood needs of the place where bundles are kept: repair gives from it, readers look back through it, and what it
// held at a start is where the seen cache begins. lib/store/ has the two that exist, in memory and on disk; this module has
// no code. docs/protocol.md, "Repair".

import type { Bundle } from './bundle.ts'
import type { Holdings } from './holdings.ts'

/** A bundle as the store gives it back. */
export interface StoredBundle {
  /** `sealed` and `origin` are the caller's to keep. `ageAt` tells its age now: `ageMs` and `heldSinceMs` are of this run's clock. */
  readonly bundle: Bundle
  /** Its place in the order of arrival: 1 and up, never used twice in one store, not without gaps. */
  readonly arrival: number
}

/** The numbers of one run of one origin, as the store knows them. */
export interface TakenNumbers {
  readonly originKey: string
  readonly epoch: number
  /** first, last, first, last, … of every number whose bundle was ever stored here, kept or pruned by now. */
  readonly ranges: readonly number[]
}

/** Where a reader stands: the bundle's arrival and, in that bundle, the place of the last message that is done. */
export interface ReaderOffset {
  readonly arrival: number
  /** Counted from 0; all of the bundle is done when it is `count` - 1. */
  readonly index: number
}

/** How much one call may give. At least one bundle is given when there is one. */
export interface ScanBounds {
  readonly bundlesMax: number
  readonly bytesMax: number
}

export interface StoreCounts {
  readonly bundles: number
  /** Live bytes, as retention counts them. */
  readonly bytes: number
  /** Bytes taken and not yet durable. 0 in memory. */
  readonly pendingBytes: number
  readonly notSaved: number
}

/** Of a current retained bundle, by its epoch and sequence number: whether it is wanted, or no more of them are. */
export type Sift = (epoch: number, sequence: number) => 'take' | 'skip' | 'stop'

export interface BundleStore {
  /** What can be given now: in memory what is held, on disk only what is durable. Kept up to date by the store. */
  readonly holdings: Holdings
  readonly counts: StoreCounts
  /** The newest arrival that scans can find (0: none yet). Grows by commits on disk, by `put` in memory. */
  readonly lastArrival: number
  /** The oldest arrival that retention has left, current retained ones aside; `lastArrival` + 1 when none is. */
  readonly firstArrival: number
  /** Calls that gave less than there is, because it could not be read just then. Always 0 in memory. */
  readonly readFailures: number
  /** Rows that calls have read on the disk and given nothing of, so far. Always 0 in memory, where looking costs next to nothing. */
  readonly vainRows: number
  /** More waits for the disk than should: sources of bundles should pause until `eased`. Never true in memory. */
  readonly isBehind: boolean

  /**
   * Takes a verified bundle whose numbers were just marked as seen, of ours or of others. Copies what it keeps before it
   * returns. `topics` has one text for each message, as `readBundleMessages` gives them; null: read them from the bytes.
   */
  put(bundle: Bundle, topics: readonly string[] | null): void
  /** A copy of a bundle showed a lower age than the one that was stored: that counts from now on. Unknown: nothing. */
  younger(originKey: string, epoch: number, first: number, ageMs: number): void

  /** Bundles with arrival > `after`, ascending. */
  scanArrivals(after: number, bounds: ScanBounds): StoredBundle[]
  /** Bundles of one (origin, epoch) that hold any number of first…last, ascending, older than `ageMsMax` left out unless they are current retained ones. */
  scanSequences(
    originKey: string,
    epoch: number,
    first: number,
    last: number,
    ageMsMax: number,
    bounds: ScanBounds,
  ): StoredBundle[]
  /** The bundle that holds this message, or null. */
  find(originKey: string, epoch: number, sequence: number): StoredBundle | null
  /** The greatest arrival whose bundle came here more than `ageMs` ago: what came since is behind it. 0: none so old. */
  arrivalBefore(ageMs: number): number
  /**
   * Current retained bundles: the newest of each (origin, topic), expired ones and removals left out. `originKey` null: of
   * all origins. In no order; bounded by the store's own bounds. `sift` says what to do with each before its bytes are read.
   */
  retained(originKey: string | null, sift?: Sift): Iterable<StoredBundle>
  /** Whether this stored bundle is the newest retained one of its (origin, topic), and not expired. */
  isCurrent(bundle: Bundle): boolean

  /** What this store has ever taken: fills the seen cache at a start. */
  taken(): Iterable<TakenNumbers>
  /** Throws MeshError `data-folder` when it cannot be read whether there is one. */
  readOffset(name: string): ReaderOffset | null
  /** Durable with the next commit, in order with the bundles before it. */
  writeOffset(name: string, offset: ReaderOffset): void
  /** Resolves once all that was put or written before is durable. Rejects with MeshError `data-folder` when it cannot be. */
  flushed(): Promise<void>
  /** Calls `listener` after `lastArrival` has grown, at most once a turn. Returns a function that ends it. */
  onArrivals(listener: () => void): () => void
  /** Calls `listener` when `isBehind` has become false again. Returns a function that ends it. */
  onEased(listener: () => void): () => void
  /** Writes what waits (at most 3 s) and closes. */
  close(): Promise<void>
}
