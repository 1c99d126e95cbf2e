// The address book as bytes and back. The file is this node's own, and nobody else's business: no part of the protocol. It says
// which network it is of, since records of another one must never be passed on.
//
//   SHA-256 over network id || body (32 bytes) || body: CBOR [version, [[public key, issued at, record or null, addresses], …]]
//   each address: [binary multiaddr, Unix ms when last found there (0: never), failures since]

import { concatBytes, copyBytes, equalBytes } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { encodeCbor } from '../framing/cbor.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { type Address, addressFromBytes, addressToBytes } from '../identity/address.ts'
import { peerIdOf } from '../identity/peer-id.ts'
import {
  ADDRESS_BYTES_MAX,
  BOOK_BYTES_MAX,
  BOOK_PEERS_MAX,
  LISTEN_ADDRESSES_MAX,
  NODE_RECORD_BYTES_MAX,
} from '../limits.ts'

const VERSION = 1
const DIGEST_BYTES = 32
const PUBLIC_KEY_BYTES = 32
const CBOR_NULL = 0xf6

export interface BookAddress {
  /** `peer` is null. */
  readonly address: Address
  /** 0: never. */
  foundAtUnixMs: number
  /** Since it was last found there. */
  failures: number
}

export interface BookEntry {
  /** Peer id text. */
  readonly peer: string
  readonly publicKey: Uint8Array
  /** Of the record; 0 without one. */
  readonly issuedAtMs: number
  /** The newest node record, verified when it came; null where the peer is known by our own dial alone. */
  readonly record: Uint8Array | null
  /** 1 to 8. */
  readonly addresses: BookAddress[]
}

type Digest = (bytes: Uint8Array) => Uint8Array

export function encodeBook(entries: readonly BookEntry[], networkId: Uint8Array, digest: Digest): Uint8Array {
  const lines = entries.map(({ publicKey, issuedAtMs, record, addresses }) => [
    publicKey,
    issuedAtMs,
    record,
    addresses.map(({ address, foundAtUnixMs, failures }) => [addressToBytes(address), foundAtUnixMs, failures]),
  ])
  const body = encodeCbor([VERSION, lines])
  return concatBytes(digest(concatBytes(networkId, body)), body)
}

/** Null for anything that `encodeBook` did not write for this network. Byte strings are copies. */
export function decodeBook(bytes: Uint8Array, networkId: Uint8Array, digest: Digest): BookEntry[] | null {
  if (bytes.length <= DIGEST_BYTES || bytes.length > BOOK_BYTES_MAX) return null
  const body = bytes.subarray(DIGEST_BYTES)
  if (!equalBytes(digest(concatBytes(networkId, body)), bytes.subarray(0, DIGEST_BYTES))) return null
  try {
    return entriesIn(body)
  } catch (error) {
    if (error instanceof MeshError && (error.code === 'bad-cbor' || error.code === 'bad-address')) return null
    throw error
  }
}

function entriesIn(body: Uint8Array): BookEntry[] | null {
  const reader = new CborReader(body)
  if (reader.array(2) !== 2 || reader.uint() !== VERSION) return null
  const count = reader.array()
  if (count > BOOK_PEERS_MAX) return null
  const entries: BookEntry[] = []
  for (let i = 0; i < count; i++) {
    const entry = reader.array(4) === 4 ? entryAt(reader, body) : null
    if (entry === null) return null
    entries.push(entry)
  }
  reader.finish()
  return entries
}

function entryAt(reader: CborReader, body: Uint8Array): BookEntry | null {
  const publicKey = copyBytes(reader.bytes(PUBLIC_KEY_BYTES))
  if (publicKey.length !== PUBLIC_KEY_BYTES) return null
  const issuedAtMs = reader.uint()
  let record: Uint8Array | null = null
  if (body[reader.at] === CBOR_NULL) reader.skip()
  else record = copyBytes(reader.bytes(NODE_RECORD_BYTES_MAX))
  const count = reader.array(1)
  if (count > LISTEN_ADDRESSES_MAX) return null
  const addresses: BookAddress[] = []
  for (let i = 0; i < count; i++) {
    if (reader.array(3) !== 3) return null
    const address = addressFromBytes(reader.bytes(ADDRESS_BYTES_MAX))
    addresses.push({ address, foundAtUnixMs: reader.uint(), failures: reader.uint() })
  }
  return { peer: peerIdOf(publicKey), publicKey, issuedAtMs, record, addresses }
}
