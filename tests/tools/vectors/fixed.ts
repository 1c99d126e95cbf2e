// What all vectors are made from: fixed keys, networks and times, and the shape of a vector file. Nothing here is random, so
// the same library writes the same files.

import { toHex } from '../../../lib/bytes.ts'
import type { Primitives } from '../../../lib/crypto/primitives.ts'
import { Identities } from '../../../lib/identity/identities.ts'
import { type KeyPair, keyPairFromSeed } from '../../../lib/identity/key-pair.ts'
import { type Network, networkOf } from '../../../lib/identity/network.ts'

/** Bytes in hex. A large field may be a list of hex texts and repetitions. */
export type Hex = string | readonly (string | { readonly repeat: string; readonly times: number })[]

export interface Vector {
  /** Unique in its file, kebab-case. */
  readonly name: string
  /** Which question it asks; the kinds are listed in spec/vectors/README.md. */
  readonly kind: string
  readonly [field: string]: unknown
}

export interface VectorFile {
  readonly about: string
  readonly vectors: readonly Vector[]
}

/** `length` bytes counting up from `first`. */
export function counting(first: number, length: number = 32): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i) & 0xff)
}

/** The bytes that a field stands for. */
export function unpack(hex: Hex): Uint8Array {
  const parts = typeof hex === 'string' ? [hex] : hex
  return new Uint8Array(
    Buffer.concat(
      parts.map((part) =>
        typeof part === 'string' ? Buffer.from(part, 'hex') : Buffer.alloc(part.times, Buffer.from(part.repeat, 'hex')),
      ),
    ),
  )
}

/** The bytes in hex, runs of one byte written short when they would fill pages. */
export function packed(bytes: Uint8Array): Hex {
  if (bytes.length <= 4_096) return toHex(bytes)
  const parts: (string | { repeat: string; times: number })[] = []
  let plainFrom = 0
  for (let at = 0; at < bytes.length; ) {
    let end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    if (end - at >= 1_024) {
      if (at > plainFrom) parts.push(toHex(bytes.subarray(plainFrom, at)))
      parts.push({ repeat: toHex(bytes.subarray(at, at + 1)), times: end - at })
      plainFrom = end
    }
    at = end
  }
  if (plainFrom < bytes.length) parts.push(toHex(bytes.subarray(plainFrom)))
  return parts
}

/** 2027-01-15T08:00:00Z, and the epoch of a run that began then with the random part 0. */
export const SENT_AT_MS = 1_800_000_000_000
export const EPOCH: number = 1_800_000_000 * 2 ** 20

export interface Cast {
  readonly primitives: Primitives
  readonly identities: Identities
  readonly dialer: KeyPair
  readonly listener: KeyPair
  readonly third: KeyPair
  readonly dialerEphemeral: Uint8Array
  readonly listenerEphemeral: Uint8Array
  /** The network `default`, without a secret. */
  readonly open: Network
  /** The network `lab`, with a secret. */
  readonly lab: Network
  readonly labSecret: Uint8Array
}

export function castOf(primitives: Primitives): Cast {
  const identities = new Identities()
  const labSecret = counting(0xc0)
  return {
    primitives,
    identities,
    dialer: keyPairFromSeed(counting(0x00), identities, primitives),
    listener: keyPairFromSeed(counting(0x20), identities, primitives),
    third: keyPairFromSeed(counting(0x40), identities, primitives),
    dialerEphemeral: counting(0x80),
    listenerEphemeral: counting(0xa0),
    open: networkOf('default', null, primitives),
    lab: networkOf('lab', labSecret, primitives),
    labSecret,
  }
}
