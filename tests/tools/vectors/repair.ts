// The frames of repair among spec/vectors/frames.json: have, want, given and mode. docs/protocol.md section 8.9.

import { bytesKey, concatBytes, toHex } from '../../../lib/bytes.ts'
import { treeOf } from '../../../lib/flood/link-trees.ts'
import { encodeMode } from '../../../lib/flood/mode-frame.ts'
import { type EpochNumbers, encodeGiven, encodeHave, encodeWant } from '../../../lib/flood/repair-frames.ts'
import { type CborInput, decodeCbor, encodeCbor } from '../../../lib/framing/cbor.ts'
import { FrameType } from '../../../lib/framing/frames.ts'
import { type Cast, counting, EPOCH } from './fixed.ts'

type RepairVector = readonly [name: string, type: number, body: Uint8Array, meaning: object]

export function repairFrames(cast: Cast): RepairVector[] {
  const key = bytesKey(cast.dialer.identity.publicKey)
  const other = bytesKey(cast.listener.identity.publicKey)
  const held: EpochNumbers[] = [
    { originKey: key, epoch: EPOCH, ranges: [0, 9, 12, 12] },
    { originKey: key, epoch: EPOCH + 7, ranges: [0, 299] },
    { originKey: other, epoch: EPOCH, ranges: [5, 70_000] },
  ]
  const wanted: EpochNumbers[] = [{ originKey: key, epoch: EPOCH, ranges: [3, 9, 12, 12] }]
  const have = encodeHave({ digests: null, newestEpoch: EPOCH + 3, held })
  const plain = { newestEpoch: EPOCH + 3, digests: {}, held: shown(held) }
  const later = decodeCbor(have) as CborInput[]
  return [
    ['frame-have-digests', FrameType.have, ...digestsOf(cast, held)],
    ['frame-have', FrameType.have, have, plain],
    [
      'frame-have-nothing',
      FrameType.have,
      encodeHave({ digests: null, newestEpoch: 0, held: [] }),
      { newestEpoch: 0, digests: {}, held: [] },
    ],
    ['frame-have-of-a-later-version', FrameType.have, encodeCbor([...later, 'later', [1]]), plain],
    [
      'frame-want',
      FrameType.want,
      encodeWant({ request: 1, ageMsMax: 600_000, wanted }),
      { request: 1, ageMsMax: 600_000, wanted: shown(wanted) },
    ],
    ['frame-given', FrameType.given, encodeGiven({ request: 1, more: false }), { request: 1, more: false }],
    ['frame-given-more', FrameType.given, encodeGiven({ request: 300, more: true }), { request: 300, more: true }],
    modeFrame('frame-mode-lazy', 'lazy', [treeOf(key), treeOf(other)]),
    modeFrame('frame-mode-eager', 'eager', [treeOf(key)]),
    modeFrame('frame-mode-of-nine-trees', 'lazy', [0, 23, 24, 255, 256, 65_535, 300, 400, 500]),
    modeFrame('frame-mode-of-no-trees', 'eager', []),
    ['frame-mode-of-a-later-version', FrameType.mode, encodeCbor([1, [7], 'later']), { mode: 'lazy', trees: [7] }],
  ]
}

function modeFrame(name: string, mode: 'eager' | 'lazy', trees: readonly number[]): RepairVector {
  return [name, FrameType.mode, encodeMode({ mode, trees }), { mode, trees }]
}

/** The first `have` of a node that holds these, with what is hashed for each bucket: written out here, not by the library. */
function digestsOf({ primitives }: Cast, held: readonly EpochNumbers[]): [Uint8Array, object] {
  const contents = new Map<number, Uint8Array[]>()
  const origins = [...new Set(held.map(({ originKey }) => originKey))].sort()
  for (const originKey of origins) {
    const origin = Uint8Array.from(originKey, (character) => character.charCodeAt(0))
    const bucket = primitives.sha256(origin)[0]!
    const parts = contents.get(bucket) ?? []
    contents.set(bucket, parts)
    parts.push(origin)
    for (const { epoch, ranges } of held.filter((one) => one.originKey === originKey)) {
      parts.push(bigEndian(epoch, 8), bigEndian(ranges.length / 2, 4), ...ranges.map((bound) => bigEndian(bound, 8)))
    }
  }
  const all = new Uint8Array(4_096)
  for (const [bucket, parts] of contents) {
    all.set(primitives.sha256(concatBytes(...parts)).subarray(0, 16), bucket * 16)
  }
  const hexes = (of: (bucket: number) => Uint8Array): object =>
    Object.fromEntries([...contents.keys()].sort((a, b) => a - b).map((bucket) => [bucket, toHex(of(bucket))]))
  return [
    encodeHave({ digests: all, newestEpoch: 0, held: [] }),
    {
      newestEpoch: 0,
      holdings: shown(held),
      contents: hexes((bucket) => concatBytes(...contents.get(bucket)!)),
      digests: hexes((bucket) => all.subarray(bucket * 16, bucket * 16 + 16)),
      held: [],
    },
  ]
}

function bigEndian(value: number, length: number): Uint8Array {
  return counting(0, length).map((_, i) => Math.floor(value / 256 ** (length - 1 - i)) % 256)
}

function shown(numbers: readonly EpochNumbers[]): object[] {
  return numbers.map(({ originKey, epoch, ranges }) => ({
    origin: toHex(Uint8Array.from(originKey, (character) => character.charCodeAt(0))),
    epoch,
    ranges,
  }))
}
