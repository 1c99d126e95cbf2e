// Bundles for the tests of the stores, from small numbers. Not signed: a store keeps what was verified before.

import { bytesKey, concatBytes } from '../../lib/bytes.ts'
import { type Bundle, BundleFlag, bundleKey } from '../../lib/flood/bundle.ts'
import type { ScanBounds, StoredBundle } from '../../lib/flood/bundle-store.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'

export interface BundleGiven {
  /** Number of the origin. */
  origin: number
  epoch: number
  first: number
  count: number
  topic: string
  /** Bytes of each payload. */
  bytes: number
  retained: boolean
  timeToLiveS: number
  ageMs: number
  hops: number
  heldSinceMs: number
}

const ORDINARY: BundleGiven = {
  origin: 1,
  epoch: 1,
  first: 0,
  count: 1,
  topic: 'chat',
  bytes: 5,
  retained: false,
  timeToLiveS: 0,
  ageMs: 0,
  hops: 1,
  heldSinceMs: 0,
}

export function originOf(number: number): Uint8Array {
  const origin = new Uint8Array(32).fill(number)
  origin[31] = 0xff
  return origin
}

export function originKeyOf(number: number): string {
  return bytesKey(originOf(number))
}

/** As a node has it once it was received at `heldSinceMs`. */
export function testBundle(given: Partial<BundleGiven> = {}): Bundle {
  const all = { ...ORDINARY, ...given }
  const { epoch, first, count, ageMs, hops, heldSinceMs } = all
  const origin = originOf(all.origin)
  const originKey = bytesKey(origin)
  const flags = all.retained ? BundleFlag.retained : 0
  const timeToLiveS = all.retained && all.timeToLiveS === 0 ? 3_600 : all.timeToLiveS
  const sentAtMs = 1_800_000_000_000
  const messages = Array.from({ length: count }, (_, i) => {
    return [all.topic, new Uint8Array(all.bytes).fill((first + i) & 0xff)]
  })
  const signedPart = encodeCbor([1, origin, epoch, first, sentAtMs, flags, timeToLiveS, messages])
  const sealed = concatBytes(new Uint8Array(64).fill(all.origin), signedPart)
  const numbers = { origin, originKey, epoch, first, count, sentAtMs, flags, timeToLiveS }
  return { ...numbers, sealed, buffer: null, hops, ageMs, heldSinceMs, key: bundleKey(originKey, epoch, first) }
}

export const ALL: ScanBounds = { bundlesMax: 1_000_000, bytesMax: 1_000_000_000 }

/** `<origin>/<epoch>/<first>` of each. */
export function idsOf(found: Iterable<StoredBundle>): string[] {
  return [...found].map(({ bundle }) => `${bundle.origin[0]}/${bundle.epoch}/${bundle.first}`)
}
