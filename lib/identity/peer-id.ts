// Peer ids: how a public key is written for people and other tools, in libp2p's form. Says nothing about whether the key is an
// acceptable identity (identities.ts). docs/protocol.md section 2.

import { base58btc } from 'multiformats/bases/base58'
import { bases } from 'multiformats/basics'
import { concatBytes } from '../bytes.ts'
import { expectLength } from '../crypto/inputs.ts'
import { MeshError } from '../errors.ts'

// An identity multihash (00, 36 bytes) of libp2p's protobuf: field 1, key type Ed25519 (08 01); field 2, 32 bytes (12 20).
const HEAD = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
// CID version 1, codec libp2p-key.
const CID_HEAD = Uint8Array.of(0x01, 0x72)

/** The longest form, base 2, has 321 characters. The bound keeps base58, which is quadratic, cheap. */
const TEXT_LENGTH_MAX = 384

/** The multihash: `00 24 08 01 12 20` and the 32-byte key, 38 bytes. */
export function peerIdBytes(publicKey: Uint8Array): Uint8Array {
  expectLength('public key', publicKey, 32)
  return concatBytes(HEAD, publicKey)
}

/** The peer id text of a 32-byte Ed25519 public key: `12D3KooW…`, 52 characters. */
export function peerIdOf(publicKey: Uint8Array): string {
  const text = base58btc.baseEncode(peerIdBytes(publicKey))
  // It was put together letter by letter, and V8 would keep the forty pieces (1.3 KB) for as long as the id. This makes it one.
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** The last 8 characters of a peer id text, for people: the first ones are the same in all. */
export function shortId(peerId: string): string {
  return peerId.slice(-8)
}

/**
 * The 32-byte public key in a peer id text: base58btc (`12D3KooW…`), or a CIDv1 with codec libp2p-key in any multibase.
 * Throws MeshError `bad-peer-id` on anything else, ids of other key types included.
 */
export function publicKeyOfPeerId(text: string): Uint8Array {
  // A program in plain JavaScript may give anything.
  if (typeof text !== 'string') throw bad('it is no text')
  if (text.length > TEXT_LENGTH_MAX) throw bad('it is too long')
  const multihash = multihashOf(text)
  if (multihash.length === HEAD.length + 32 && startsWith(multihash, HEAD)) return multihash.slice(HEAD.length)
  if (multihash[0] === 0x12 || (multihash[0] === 0x00 && multihash[2] === 0x08))
    throw bad('it names another type of key')
  throw bad('it does not hold a key')
}

function multihashOf(text: string): Uint8Array {
  // A multihash in bare base58btc starts with 1 (identity) or Q (SHA-256); neither is a multibase prefix.
  if (/^[1Q]/.test(text)) return decode(text, (given) => base58btc.baseDecode(given))
  const base = Object.values(bases).find(({ prefix }) => text !== '' && text.startsWith(prefix))
  if (base === undefined) throw bad('it is in no known encoding')
  const bytes = decode(text, (given) => base.decoder.decode(given))
  if (!startsWith(bytes, CID_HEAD)) throw bad('it is no CIDv1 with codec libp2p-key')
  return bytes.subarray(CID_HEAD.length)
}

function decode(text: string, decoder: (text: string) => Uint8Array): Uint8Array {
  try {
    return decoder(text)
  } catch (cause) {
    throw bad('it has a mistyped character', cause)
  }
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return head.every((byte, i) => bytes[i] === byte)
}

function bad(why: string, cause?: unknown): MeshError {
  const should = 'a peer id is that of an Ed25519 key, like 12D3KooW… (52 characters) or k51… and bafz… as a CID'
  return new MeshError('bad-peer-id', `bad peer id: ${why}; ${should}`, { cause })
}
