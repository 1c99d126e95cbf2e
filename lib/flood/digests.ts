// 256 digests of what this node holds, by which two neighbours find out what differs without telling it all. Kept between
// uses, and worked out in steps: with many origins the whole would take too long at once. docs/protocol.md, "Repair".

import type { Primitives } from '../crypto/primitives.ts'
import { type HeldOrigin, type Holdings, type Told, toldOf } from './holdings.ts'
import { keyBytes } from './repair-frames.ts'

export const BUCKETS = 256
export const DIGEST_BYTES = 16
/** Units of work (see `Repair.tick`) for hashing one origin, and for so many bytes of a bucket. */
const ORIGIN_COST = 1
const BYTES_PER_COST = 512

interface Bucket {
  readonly origins: Set<HeldOrigin>
  /** By key, ascending; null when it must be sorted again. */
  sorted: readonly HeldOrigin[] | null
  /** Null: must be worked out again. */
  digest: Uint8Array | null
}

export class Digests {
  readonly #holdings: Holdings
  readonly #primitives: Primitives
  readonly #buckets: readonly Bucket[]
  /** Which bucket each origin that is held belongs to. */
  readonly #bucketOf = new Map<HeldOrigin, number>()

  constructor(holdings: Holdings, primitives: Primitives) {
    this.#holdings = holdings
    this.#primitives = primitives
    this.#buckets = Array.from({ length: BUCKETS }, () => ({
      origins: new Set(),
      sorted: null,
      digest: new Uint8Array(DIGEST_BYTES),
    }))
  }

  /**
   * Takes notice of what changed since the last time, at most for about `costMax` units of work. Returns what it cost; as
   * long as that is `costMax` or more, call again before `digest`.
   */
  settle(costMax: number): number {
    const changed = this.#holdings.takeChanged(Math.max(1, Math.ceil(costMax / ORIGIN_COST)))
    for (const origin of changed) {
      let number = this.#bucketOf.get(origin)
      const isHeld = origin.epochs.length > 0
      if (number === undefined) {
        if (!isHeld) continue
        number = this.bucketOf(keyBytes(origin.key))
        this.#bucketOf.set(origin, number)
      }
      const bucket = this.#buckets[number]!
      bucket.digest = null
      if (isHeld === bucket.origins.has(origin)) continue
      bucket.sorted = null
      if (isHeld) {
        bucket.origins.add(origin)
      } else {
        bucket.origins.delete(origin)
        this.#bucketOf.delete(origin)
      }
    }
    return changed.length * ORIGIN_COST
  }

  /** The bucket of an origin's public key. */
  bucketOf(origin: Uint8Array): number {
    return this.#primitives.sha256(origin)[0]!
  }

  /** The 16 bytes for a bucket, as of the last `settle`, into `out` at `at`. Returns what it cost. */
  digest(number: number, out: Uint8Array, at: number): number {
    const bucket = this.#buckets[number]!
    let bytes = 0
    if (bucket.digest === null) {
      const content = contentOf(this.origins(number))
      bytes = content.length
      bucket.digest =
        bytes === 0 ? new Uint8Array(DIGEST_BYTES) : this.#primitives.sha256(content).slice(0, DIGEST_BYTES)
    }
    out.set(bucket.digest, at)
    return 1 + Math.floor(bytes / BYTES_PER_COST)
  }

  /** The origins of a bucket, ascending by key, as of the last `settle`. */
  origins(number: number): readonly HeldOrigin[] {
    const bucket = this.#buckets[number]!
    bucket.sorted ??= Array.from(bucket.origins).sort((a, b) => (a.key < b.key ? -1 : 1))
    return bucket.sorted
  }
}

/** origin || for each epoch: epoch (8) || count of ranges (4) || each first (8), last (8); origin after origin. */
function contentOf(origins: readonly HeldOrigin[]): Uint8Array {
  const told: (readonly Told[])[] = []
  let length = 0
  for (const origin of origins) {
    const epochs = toldOf(origin)
    told.push(epochs)
    if (epochs.length > 0) length += 32
    for (const { ranges } of epochs) length += 12 + ranges.length * 8
  }
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  let at = 0
  const number = (value: number): void => {
    view.setUint32(at, Math.floor(value / 0x1_0000_0000))
    view.setUint32(at + 4, value >>> 0)
    at += 8
  }
  for (const epochs of told) {
    if (epochs.length === 0) continue
    const { originKey } = epochs[0]!
    for (let i = 0; i < 32; i++) bytes[at++] = originKey.charCodeAt(i)
    for (const { epoch, ranges } of epochs) {
      number(epoch)
      view.setUint32(at, ranges.length / 2)
      at += 4
      for (const bound of ranges) number(bound)
    }
  }
  return bytes
}
