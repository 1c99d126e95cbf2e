// A node record: where a node says it can be reached, under its own signature, so that others can pass it on. It proves who said
// it and in which network, not that anybody is there; which addresses to believe, and from whom, is the address book's
// decision. docs/protocol.md section 7 (about, peers).

import { concatBytes, copyBytes, utf8 } from '../bytes.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../framing/cbor.ts'
import { ADDRESS_BYTES_MAX, LISTEN_ADDRESSES_MAX, NODE_RECORD_BYTES_MAX } from '../limits.ts'
import { type Address, addressFromBytes, addressToBytes } from './address.ts'
import type { Identities, Identity } from './identities.ts'
import type { KeyPair } from './key-pair.ts'
import type { Network } from './network.ts'

export interface NodeRecord {
  readonly identity: Identity
  /** By that node's clock, Unix milliseconds. Of two records of one identity the later one holds. */
  readonly issuedAtMs: number
  /** At most 8, in the node's own order; `peer` is null in each. Those whose protocols are not known here are left out. */
  readonly addresses: readonly Address[]
  /** The whole record as it came, to pass on. Its own copy. */
  readonly bytes: Uint8Array
}

const VERSION = 1
const SIGNATURE_BYTES = 64
const DOMAIN = utf8('mesh/1 node')

/**
 * `signature (64) || CBOR [1, identity, issued-at, [address, …]]`. `addresses` are at most 8; their `peer` is not written.
 * Throws MeshError `bad-argument` when there are more, `bad-address` when one's binary form has over 256 bytes.
 */
export function encodeNodeRecord(
  keyPair: KeyPair,
  network: Network,
  issuedAtMs: number,
  addresses: readonly Address[],
  primitives: Primitives,
): Uint8Array {
  if (addresses.length > LISTEN_ADDRESSES_MAX) {
    throw new MeshError('bad-argument', `a node record has at most ${LISTEN_ADDRESSES_MAX} addresses`)
  }
  const places = addresses.map((address) => addressToBytes({ ...address, peer: null }))
  const signedPart = encodeCbor([VERSION, keyPair.identity.publicKey, issuedAtMs, places])
  return concatBytes(keyPair.signer.sign(signedText(network, signedPart, primitives)), signedPart)
}

/**
 * Reads and verifies a record. Throws MeshError `bad-peers` when it is too long, not that CBOR, of another version, badly signed, of
 * another network, or of a key that is no identity: whoever sent it should have noticed.
 */
export function decodeNodeRecord(
  bytes: Uint8Array,
  network: Network,
  identities: Identities,
  primitives: Primitives,
): NodeRecord {
  if (bytes.length > NODE_RECORD_BYTES_MAX) throw bad(`${bytes.length} bytes are too many`)
  if (bytes.length <= SIGNATURE_BYTES) throw bad('it is cut short')
  const signature = bytes.subarray(0, SIGNATURE_BYTES)
  const signedPart = bytes.subarray(SIGNATURE_BYTES)
  const [version, publicKey, issuedAtMs, places] = elementsOf(signedPart)
  if (version !== VERSION) throw bad('its version is not 1')
  if (!(publicKey instanceof Uint8Array) || publicKey.length !== 32) throw bad('its identity is not 32 bytes')
  if (typeof issuedAtMs !== 'number') throw bad('its time is not a number')
  if (!Array.isArray(places) || places.length > LISTEN_ADDRESSES_MAX)
    throw bad('its addresses are not a list of at most 8')
  const addresses = places.flatMap(addressesOf)
  // The signature is asked before the identity: a forgery then costs one operation, and names no key that is remembered.
  if (!primitives.ed25519Verify(publicKey, signedText(network, signedPart, primitives), signature)) {
    throw bad('its signature is not valid in this network')
  }
  const identity = identities.admit(publicKey)
  if (identity === null) throw bad('its key is no acceptable identity')
  return Object.freeze({ identity, issuedAtMs, addresses: Object.freeze(addresses), bytes: copyBytes(bytes) })
}

function signedText(network: Network, signedPart: Uint8Array, primitives: Primitives): Uint8Array {
  return concatBytes(DOMAIN, network.id, primitives.sha256(signedPart))
}

function elementsOf(signedPart: Uint8Array): readonly CborValue[] {
  let value: CborValue
  try {
    value = decodeCbor(signedPart)
  } catch (cause) {
    if (cause instanceof MeshError) throw bad('it is not sound CBOR', cause)
    throw cause
  }
  // Elements past the four known ones are for versions to come.
  if (!Array.isArray(value)) throw bad('it is no CBOR array')
  return value
}

/** None or one: an address of a kind that we do not know, or that names a peer, is no fault and no use. */
function addressesOf(place: CborValue): Address[] {
  if (!(place instanceof Uint8Array) || place.length > ADDRESS_BYTES_MAX)
    throw bad('an address is not at most 256 bytes')
  try {
    const address = addressFromBytes(place)
    // A zone names an interface of the machine that wrote it, and means nothing here.
    return address.peer === null && !address.host.includes('%') ? [address] : []
  } catch (cause) {
    if (cause instanceof MeshError && cause.code === 'bad-address') return []
    throw cause
  }
}

function bad(why: string, cause?: unknown): MeshError {
  return new MeshError('bad-peers', `bad node record: ${why}`, { cause })
}
