// The body of a `direct` frame: who it is for and from, how far it has come, and a sealed envelope that only its destination
// opens. Reads and writes the bytes, seals and opens; what is inside is content.ts, where it goes relay.ts.
// docs/protocol.md, "Envelopes".
//
//   destination (32) || source (32) || flags and hops (1) || X message (96) || u16 length || sealed || …

import { concatBytes, EMPTY, equalBytes, utf8 } from '../bytes.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import type { Identities, Identity } from '../identity/identities.ts'
import type { KeyPair } from '../identity/key-pair.ts'
import { HOPS_MAX, RECORD_BYTES_MAX, RECORD_PLAIN_BYTES_MAX, TAG_BYTES } from '../limits.ts'
import type { CipherState } from '../noise/cipher-state.ts'
import { HandshakeState } from '../noise/handshake-state.ts'

/** Destination, source, flags and hops. */
export const HEADER_BYTES = 65
/** Ephemeral key, sealed static key, and the tag of an empty payload. */
export const X_MESSAGE_BYTES = 96
const HOPS_AT = 64
const FLOODING = 0x80
const HOPS_MASK = 0x7f

/** A frame body, read. The arrays are views of it. */
export interface DirectFrame {
  readonly destination: Uint8Array
  readonly source: Uint8Array
  /** The same as one-byte text, as tables know them. */
  readonly destinationKey: string
  readonly sourceKey: string
  /** Links that it crossed to come here, this one included: 1 to 32. */
  readonly hops: number
  /** It is to go over every link, whatever ways are known. */
  readonly flooding: boolean
  readonly envelope: Uint8Array
}

/** Text with one character for each byte: the same key by which the flood's tables know an origin. */
export function textKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/**
 * Reads a frame body without opening anything; owns nothing. Throws MeshError `bad-direct` when the bytes prove that no honest
 * node made or passed them on: its sender was bound to look. `floodBytesMax` bounds an envelope that floods.
 */
export function readDirect(body: Uint8Array, floodBytesMax: number): DirectFrame {
  if (body.length < HEADER_BYTES) throw bad('a header cut short')
  const destination = body.subarray(0, 32)
  const source = body.subarray(32, HOPS_AT)
  if (equalBytes(destination, source)) throw bad('from a node to itself')
  const hops = body[HOPS_AT]! & HOPS_MASK
  if (hops === 0 || hops > HOPS_MAX) throw bad(`${hops} hops`)
  const envelope = body.subarray(HEADER_BYTES)
  checkLayout(envelope)
  const flooding = (body[HOPS_AT]! & FLOODING) !== 0
  if (flooding && envelope.length > floodBytesMax) throw bad(`an envelope of ${envelope.length} bytes that floods`)
  const [destinationKey, sourceKey] = [textKey(destination), textKey(source)]
  return { destination, source, destinationKey, sourceKey, hops, flooding, envelope }
}

/** All sealed messages but the last are as long as can be, so that opening costs what its bytes cost and nothing more. */
function checkLayout(envelope: Uint8Array): void {
  let at = X_MESSAGE_BYTES
  do {
    if (envelope.length - at < 2) throw bad('an envelope cut short')
    const length = (envelope[at]! << 8) | envelope[at + 1]!
    at += 2 + length
    if (at > envelope.length) throw bad('a sealed message cut short')
    if (at < envelope.length ? length !== RECORD_BYTES_MAX : length <= TAG_BYTES) {
      throw bad(`a sealed message of ${length} bytes with ${envelope.length - at} behind it`)
    }
  } while (at < envelope.length)
}

/** Sets how far a body has come and whether it floods. Writes into `body`, which must be the caller's own. */
export function setHops(body: Uint8Array, hops: number, flooding: boolean): void {
  body[HOPS_AT] = hops | (flooding ? FLOODING : 0)
}

/** Bytes of the envelope that seals so many bytes (at least one) of plain text. */
export function envelopeLength(plainLength: number): number {
  return X_MESSAGE_BYTES + plainLength + Math.ceil(plainLength / RECORD_PLAIN_BYTES_MAX) * (2 + TAG_BYTES)
}

/** What an opened envelope proves and holds. */
export interface Opened {
  readonly source: Identity
  /** The receiver's own. */
  readonly plain: Uint8Array
}

export interface EnvelopesOptions {
  readonly keyPair: KeyPair
  readonly networkId: Uint8Array
  readonly identities: Identities
  readonly primitives: Primitives
  /** Cryptographically strong. */
  random(length: number): Uint8Array
}

/** Seals envelopes of one node and opens those for it. */
export class Envelopes {
  readonly #given: EnvelopesOptions
  readonly #prefix: Uint8Array

  constructor(options: EnvelopesOptions) {
    this.#given = options
    this.#prefix = concatBytes(utf8('mesh/1 direct'), options.networkId)
  }

  /**
   * A whole frame body with 1 hop, not flooding; `plain` has at least one byte. Costs three curve operations, about 0.3 ms.
   */
  seal(destination: Identity, plain: Uint8Array): Uint8Array {
    const { identity } = this.#given.keyPair
    const noise = this.#noise(destination.publicKey, identity.publicKey, destination)
    const first = noise.writeMessage(EMPTY)
    const body = new Uint8Array(HEADER_BYTES + envelopeLength(plain.length))
    body.set(destination.publicKey, 0)
    body.set(identity.publicKey, 32)
    setHops(body, 1, false)
    body.set(first, HEADER_BYTES)
    const cipher = noise.split().send
    let at = HEADER_BYTES + X_MESSAGE_BYTES
    for (let from = 0; from < plain.length; from += RECORD_PLAIN_BYTES_MAX) {
      const part = plain.subarray(from, from + RECORD_PLAIN_BYTES_MAX)
      const length = part.length + TAG_BYTES
      body[at] = length >>> 8
      body[at + 1] = length
      at = cipher.sealInto(part, body, at + 2)
    }
    return body
  }

  /**
   * Opens a frame for this node; null when it does not open or its source is not who sealed it, which is nobody's fault that
   * could be proven. Costs two curve operations, and an admission when the source is new here.
   */
  open(frame: DirectFrame): Opened | null {
    const noise = this.#noise(frame.destination, frame.source, null)
    try {
      noise.readMessage(frame.envelope.subarray(0, X_MESSAGE_BYTES))
      const source = this.#given.identities.admit(frame.source)
      if (source === null || !equalBytes(source.x25519Key, noise.remoteStatic!)) return null
      return { source, plain: openAll(noise.split().receive, frame.envelope) }
    } catch (error) {
      if (error instanceof MeshError && error.fault === 'remote') return null
      throw error
    }
  }

  /** `to`: the other side as the sealing side has to know it; null on the opening side. */
  #noise(destination: Uint8Array, source: Uint8Array, to: Identity | null): HandshakeState {
    const { keyPair, primitives, random } = this.#given
    return new HandshakeState({
      pattern: 'X',
      initiator: to !== null,
      prologue: concatBytes(this.#prefix, destination, source),
      primitives,
      random,
      s: { privateKey: keyPair.x25519PrivateKey, publicKey: keyPair.identity.x25519Key },
      ...(to === null ? {} : { rs: to.x25519Key }),
    })
  }
}

/** Throws MeshError `bad-record` when a message does not open. The layout was checked. */
function openAll(cipher: CipherState, envelope: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = X_MESSAGE_BYTES; at < envelope.length; ) {
    const end = at + 2 + ((envelope[at]! << 8) | envelope[at + 1]!)
    parts.push(cipher.decryptWithAd(EMPTY, envelope.subarray(at + 2, end)))
    at = end
  }
  return parts.length === 1 ? parts[0]! : concatBytes(...parts)
}

function bad(what: string): MeshError {
  return new MeshError('bad-direct', `a direct frame with ${what}`)
}
