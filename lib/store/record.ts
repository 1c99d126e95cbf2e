// What both stores say of a bundle: how much it counts for, how long it is kept, whether it is the current value of a topic,
// and how it is made again from the bytes that were kept. docs/protocol.md, "Repair" and "Retained messages".

import { MeshError } from '../errors.ts'
import {
  type Bundle,
  BundleFlag,
  type BundleMessages,
  readBundleHead,
  readBundleMessages,
  SIGNATURE_BYTES,
} from '../flood/bundle.ts'
import type { ScanBounds, StoredBundle } from '../flood/bundle-store.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { TIME_TO_LIVE_S_MAX } from '../limits.ts'

/** What a bundle counts for beyond its bytes: its places in the indexes. */
export const BUNDLE_EXTRA_BYTES = 256
/** Current retained bundles may take this part of `bytesMax`, beside the others. */
export const RETAINED_PART: number = 1 / 4
/** Bundles that come with a lower age expire in the order of arrival, near enough; older ones need a place in an index of their own. */
export const AGED_MS = 1_000
/** Kept in front of the sealed bytes (hops 1, age 0), so that both together read as a frame body. */
export const BODY_HEAD: Uint8Array = Uint8Array.of(1, 0)

/** What it counts for in `bytesMax`. */
export function bundleBytes(sealedBytes: number): number {
  return sealedBytes + BUNDLE_EXTRA_BYTES
}

/** The age that an ordinary bundle may reach. */
export function ageLimitMs(timeToLiveS: number, ageMsMax: number): number {
  return timeToLiveS === 0 ? ageMsMax : Math.min(ageMsMax, timeToLiveS * 1_000)
}

/** The age that a current retained one may reach. */
export function retainedLimitMs(timeToLiveS: number): number {
  return Math.min(timeToLiveS, TIME_TO_LIVE_S_MAX) * 1_000
}

/** Whether it may expire well before those that came earlier and after it do. */
export function expiresOutOfTurn(ageMs: number, timeToLiveS: number, ageMsMax: number): boolean {
  return ageMs >= AGED_MS || ageLimitMs(timeToLiveS, ageMsMax) < ageMsMax
}

/**
 * The age at arrival that a copy of age `ageMs` speaks for, when the bundle has been here for `heldMs`; null when that is not
 * markedly below `knownMs`. No bundle is younger than the time it has been here.
 */
export function youngerAge(knownMs: number, ageMs: number, heldMs: number): number | null {
  const atArrival = Math.max(0, Math.floor(ageMs - heldMs))
  return atArrival + AGED_MS <= knownMs ? atArrival : null
}

/** The topic whose value a bundle is to be, and whether it removes it; null for one that is not retained. */
export interface RetainedMessage {
  readonly topic: string
  readonly isRemoval: boolean
}

export function retainedMessage(bundle: Bundle): RetainedMessage | null {
  const { flags, count, timeToLiveS, sealed } = bundle
  if ((flags & BundleFlag.retained) === 0 || count !== 1 || timeToLiveS < 1) return null
  const messages = readSealed(bundle, sealed)
  if (messages === null) return null
  return { topic: messages.topics[0]!, isRemoval: messages.payloads[0] === messages.payloads[1] }
}

/** Null when the bytes are not what a bundle's are. */
function readSealed(bundle: Bundle, sealed: Uint8Array): BundleMessages | null {
  try {
    const reader = new CborReader(sealed, SIGNATURE_BYTES)
    reader.array()
    reader.uint()
    reader.bytes(32)
    // epoch, first sequence, sent-at, flags, time-to-live
    for (let i = 0; i < 5; i++) reader.uint()
    return readBundleMessages({ bundle, messagesAt: reader.at })
  } catch (error) {
    if (error instanceof MeshError) return null
    throw error
  }
}

/**
 * The bundle whose `BODY_HEAD` and sealed bytes `body` holds; keeps `body`. Null when it cannot be read: the bytes are not
 * those that were kept.
 */
export function bundleOf(body: Uint8Array, hops: number, ageMs: number, heldSinceMs: number): Bundle | null {
  try {
    const head = readBundleHead(body, heldSinceMs)
    return head === null ? null : { ...head.bundle, hops, ageMs }
  } catch (error) {
    if (error instanceof MeshError) return null
    throw error
  }
}

/** What a scan gives, as it fills up to its bounds. */
export class Scan {
  readonly found: StoredBundle[] = []
  readonly #bounds: ScanBounds
  #bytes = 0

  constructor(bounds: ScanBounds) {
    this.#bounds = bounds
  }

  /** Whether one more of so many sealed bytes may be added. The first one always may. */
  hasRoomFor(sealedBytes: number): boolean {
    if (this.found.length === 0) return true
    return this.found.length < this.#bounds.bundlesMax && this.#bytes + sealedBytes <= this.#bounds.bytesMax
  }

  add(bundle: Bundle, arrival: number): void {
    this.found.push({ bundle, arrival })
    this.#bytes += bundle.sealed.length
  }
}
