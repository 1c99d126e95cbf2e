// What the frames of repair say, by the library, under the names that their vectors use.

import { bytesKey, equalBytes, toHex } from '../../lib/bytes.ts'
import type { Primitives } from '../../lib/crypto/primitives.ts'
import { Digests } from '../../lib/flood/digests.ts'
import { Holdings } from '../../lib/flood/holdings.ts'
import { decodeGiven, decodeHave, decodeWant, type EpochNumbers, keyBytes } from '../../lib/flood/repair-frames.ts'
import { FrameType } from '../../lib/framing/frames.ts'
import { unpack, type Vector } from '../tools/vectors/fixed.ts'

type Fields = Readonly<Record<string, unknown>>

/** `type` is that of have, want or given. */
export function repairMeaning(vector: Vector, type: number, body: Uint8Array, primitives: Primitives): Fields {
  if (type === FrameType.have) return haveOf(vector, body, primitives)
  if (type === FrameType.given) return { ...decodeGiven(body) }
  const { request, ageMsMax, wanted } = decodeWant(body)
  return { request, ageMsMax, wanted: shown(wanted) }
}

/** Where the vector tells what the sender of a have holds, the digests are worked out from that. */
function haveOf(vector: Vector, body: Uint8Array, primitives: Primitives): Fields {
  const { digests, newestEpoch, held } = decodeHave(body)
  const made = new Uint8Array(4_096)
  if (vector.holdings !== undefined) {
    const holdings = new Holdings()
    for (const { origin, epoch, ranges } of vector.holdings as { origin: string; epoch: number; ranges: number[] }[]) {
      const key = bytesKey(unpack(origin))
      for (let at = 0; at < ranges.length; at += 2) holdings.add(key, epoch, ranges[at]!, ranges[at + 1]!)
    }
    const worker = new Digests(holdings, primitives)
    worker.settle(1_000)
    for (let bucket = 0; bucket < 256; bucket++) worker.digest(bucket, made, bucket * 16)
    if (digests === null || !equalBytes(digests, made)) return { digests: null }
  }
  const full: [string, string][] = []
  for (let bucket = 0; bucket < 256; bucket++) {
    const digest = made.subarray(bucket * 16, bucket * 16 + 16)
    if (digest.some((byte) => byte !== 0)) full.push([`${bucket}`, toHex(digest)])
  }
  return { newestEpoch, digests: Object.fromEntries(full), held: shown(held) }
}

function shown(numbers: readonly EpochNumbers[]): object[] {
  return numbers.map(({ originKey, epoch, ranges }) => ({ origin: toHex(keyBytes(originKey)), epoch, ranges }))
}
