// The body of `mode`: which trees a neighbour is to send unasked, and which it is only to tell of. Bytes to values and back;
// what follows from them is for trees.ts to say. docs/protocol.md, "Lazy links".

import { MeshError } from '../errors.ts'
import { checkCbor, Major } from '../framing/cbor-check.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { headLength, writeHead } from '../framing/cbor-writer.ts'
import { MODE_TREES_MAX } from '../limits.ts'

/** `eager`: as they come. `lazy`: not unless asked for; that they are there is told by `have`. */
export type Mode = 'eager' | 'lazy'

/** What the sender of the frame wants of the receiver. */
export interface ModeFrame {
  readonly mode: Mode
  /** Numbers from 0 to 65,535, at most `MODE_TREES_MAX`, in any order. */
  readonly trees: readonly number[]
}

/** Trees are numbers of 16 bits. */
export const TREES = 65_536

/** A new array. At most `MODE_TREES_MAX` trees. */
export function encodeMode({ mode, trees }: ModeFrame): Uint8Array {
  let length = 2 + headLength(trees.length)
  for (const tree of trees) length += headLength(tree)
  const into = new Uint8Array(length)
  let at = writeHead(into, writeHead(into, 0, Major.array, 2), Major.unsigned, mode === 'lazy' ? 1 : 0)
  at = writeHead(into, at, Major.array, trees.length)
  for (const tree of trees) at = writeHead(into, at, Major.unsigned, tree)
  return into
}

/** Throws MeshError `bad-frame` or `bad-cbor` for what no honest node sends. */
export function decodeMode(body: Uint8Array): ModeFrame {
  checkCbor(body)
  const reader = new CborReader(body)
  const elements = reader.array(2)
  const mode = reader.uint()
  if (mode > 1) throw new MeshError('bad-frame', `mode ${mode}`)
  const count = reader.array()
  if (count > MODE_TREES_MAX) throw new MeshError('bad-frame', `a mode of ${count} trees`)
  const trees: number[] = []
  for (let i = 0; i < count; i++) {
    const tree = reader.uint()
    if (tree >= TREES) throw new MeshError('bad-frame', `tree ${tree}`)
    trees.push(tree)
  }
  for (let extra = 2; extra < elements; extra++) reader.skip()
  reader.finish()
  return { mode: mode === 1 ? 'lazy' : 'eager', trees }
}
