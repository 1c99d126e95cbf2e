// HMAC (RFC 2104) and HKDF (RFC 5869) over a SHA-256 that is given, for the providers whose own cost more. A handshake makes forty
// HMACs of a few bytes each. An Hmac of node:crypto is an object outside V8's heap, and having it collected costs as much again
// as making it; two hashes at a stroke leave nothing behind. And crypto.hkdfSync refuses an `info` of more than 1,024 bytes.

import { concatBytes, EMPTY } from '../bytes.ts'

type Hash = (data: Uint8Array) => Uint8Array
type Hmac = (key: Uint8Array, data: Uint8Array) => Uint8Array

const BLOCK_BYTES = 64
const INPUT_BYTES_MAX = 256
/** The two inputs: the key with each pad, then the data, or the inner hash. Cleared after each use. */
const inner = new Uint8Array(BLOCK_BYTES + INPUT_BYTES_MAX)
const outer = new Uint8Array(BLOCK_BYTES + 32)

/** `long` takes over for keys of more than 64 bytes and data of more than 256. */
export function hmacOver(sha256: Hash, long: Hmac): Hmac {
  return (key, data) => {
    if (key.length > BLOCK_BYTES || data.length > INPUT_BYTES_MAX) return long(key, data)
    for (let i = 0; i < BLOCK_BYTES; i++) {
      const byte = i < key.length ? key[i]! : 0
      inner[i] = byte ^ 0x36
      outer[i] = byte ^ 0x5c
    }
    inner.set(data, BLOCK_BYTES)
    const whole = inner.subarray(0, BLOCK_BYTES + data.length)
    outer.set(sha256(whole), BLOCK_BYTES)
    const mac = sha256(outer)
    whole.fill(0)
    outer.fill(0)
    return mac
  }
}

/** As `Primitives.hkdfSha256`. */
export function hkdfOver(
  hmac: Hmac,
): (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number) => Uint8Array {
  return (ikm, salt, info, length) => {
    if (!Number.isInteger(length) || length < 1 || length > 8_160) throw new RangeError('length must be 1 to 8,160')
    const key = hmac(salt, ikm)
    const out = new Uint8Array(length)
    let block: Uint8Array = EMPTY
    for (let at = 0, counter = 1; at < length; at += 32, counter++) {
      block = hmac(key, concatBytes(block, info, Uint8Array.of(counter)))
      out.set(block.subarray(0, Math.min(32, length - at)), at)
    }
    return out
  }
}
