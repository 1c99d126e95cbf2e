// Noise's HandshakeState (specification, section 5.3): writes and reads the messages of any pattern in the table, with one loop.
// Only 25519, ChaChaPoly and SHA256. Knows nothing of identities, sockets or record lengths. docs/protocol.md sections 5 and 9.

import { concatBytes, EMPTY } from '../bytes.ts'
import { expectLength } from '../crypto/inputs.ts'
import type { Primitives, X25519Pair } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import { RECORD_BYTES_MAX, TAG_BYTES } from '../limits.ts'
import type { CipherState } from './cipher-state.ts'
import { type Pattern, patternOf, type Token } from './patterns.ts'
import { SymmetricState } from './symmetric-state.ts'

/** X25519 keys, 32 bytes each. */
export interface DhKeyPair {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
  /** Agrees with the private key, for whoever keeps it ready; without it the key is imported for each use. */
  readonly agree?: X25519Pair['agree']
}

export interface HandshakeOptions {
  /** Such as `XX` or `XXpsk0`; see patterns.ts. */
  readonly pattern: string
  readonly initiator: boolean
  readonly prologue: Uint8Array
  readonly primitives: Primitives
  /** Cryptographically strong bytes, for ephemeral keys. */
  readonly random: (length: number) => Uint8Array
  /** Our static keys, where the pattern uses them. */
  readonly s?: DhKeyPair
  /** Our ephemeral keys, for tests that must know every byte. */
  readonly e?: DhKeyPair
  /** The other side's static public key, where the pattern has it known beforehand. */
  readonly rs?: Uint8Array
  /** The other side's ephemeral public key, known beforehand only in compound protocols. */
  readonly re?: Uint8Array
  /** Pre-shared keys of 32 bytes, as many as the pattern's psk modifiers and in the order of their use. */
  readonly psks?: readonly Uint8Array[]
}

const KEY_BYTES = 32

/** What a message changes. It is worked on as a copy, which takes the place of the old one when the message was whole. */
interface Progress {
  readonly symmetric: SymmetricState
  e: DhKeyPair | null
  rs: Uint8Array | null
  re: Uint8Array | null
  psksUsed: number
}

export class HandshakeState {
  readonly #pattern: Pattern
  readonly #initiator: boolean
  readonly #primitives: Primitives
  readonly #random: (length: number) => Uint8Array
  readonly #s: DhKeyPair | null
  readonly #psks: readonly Uint8Array[]
  #progress: Progress
  #messagesDone = 0

  /**
   * `like`: a handshake with the same options that has not begun; what both have in common is taken from it. Throws TypeError
   * when the pattern is unknown, or a key that it needs from the start is missing or of a wrong length.
   */
  constructor(options: HandshakeOptions, like: HandshakeState | null = null) {
    const { pattern, initiator, prologue, primitives, random, s = null, e = null, rs = null, re = null } = options
    this.#pattern = patternOf(pattern)
    this.#initiator = initiator
    this.#primitives = primitives
    this.#random = random
    this.#s = s
    this.#psks = options.psks ?? []
    if (like !== null) {
      this.#progress = { ...like.#progress, symmetric: like.#progress.symmetric.copy() }
      return
    }
    if (this.#psks.length !== this.#pattern.psks) throw new TypeError(`${pattern} takes ${this.#pattern.psks} psks`)
    for (const psk of this.#psks) expectLength('psk', psk, KEY_BYTES)
    for (const key of [rs, re]) if (key !== null) expectLength('remote key', key, KEY_BYTES)
    const symmetric = SymmetricState.initialize(`Noise_${pattern}_25519_ChaChaPoly_SHA256`, primitives)
    symmetric.mixHash(prologue)
    const [initiatorStatic, responderStatic] = initiator ? [s?.publicKey, rs] : [rs, s?.publicKey]
    if (this.#pattern.initiatorKnown) symmetric.mixHash(present(initiatorStatic, 'a static key known beforehand'))
    if (this.#pattern.responderKnown) symmetric.mixHash(present(responderStatic, 'a static key known beforehand'))
    this.#progress = { symmetric, e, rs, re, psksUsed: 0 }
    // Nothing of the first message goes before it, so that it can be mixed in now, and once for many handshakes.
    if (this.#pattern.messages[0]?.[0] === 'psk') this.#mix('psk', this.#progress)
  }

  get isFinished(): boolean {
    return this.#messagesDone === this.#pattern.messages.length
  }

  /** The transcript hash, 32 bytes, a copy; unique to this handshake once it is finished. */
  get handshakeHash(): Uint8Array {
    return this.#progress.symmetric.hash
  }

  /** The other side's static public key as far as it is known, a copy; proven only by the messages that follow it. */
  get remoteStatic(): Uint8Array | null {
    return this.#progress.rs?.slice() ?? null
  }

  /**
   * The next message, a new array of at most 65,535 bytes. Throws MeshError `bad-handshake` when a key of the other side is of
   * low order, `too-large` when the payload does not fit; an Error when it is not our turn. What throws changes nothing.
   */
  writeMessage(payload: Uint8Array): Uint8Array {
    const tokens = this.#take(true)
    const progress = this.#draft()
    const parts = tokens.map((token) => this.#write(token, progress))
    parts.push(progress.symmetric.encryptAndHash(payload))
    const message = concatBytes(...parts)
    if (message.length > RECORD_BYTES_MAX) {
      throw new MeshError('too-large', `a handshake message of ${message.length} bytes; at most ${RECORD_BYTES_MAX}`)
    }
    this.#progress = progress
    this.#messagesDone++
    return message
  }

  /**
   * The payload of the other side's next message, a new array. Throws MeshError `bad-handshake` on any message that is not
   * right, an Error when it is not the other side's turn. What throws changes nothing: the right message may still come.
   */
  readMessage(message: Uint8Array): Uint8Array {
    const tokens = this.#take(false)
    if (message.length > RECORD_BYTES_MAX) throw bad(`a message of ${message.length} bytes`)
    const progress = this.#draft()
    let rest = message
    for (const token of tokens) rest = this.#read(token, progress, rest)
    const payload = open(progress.symmetric, rest)
    this.#progress = progress
    this.#messagesDone++
    return payload
  }

  /**
   * The ciphers of the two directions as this side uses them. In one-way patterns only the initiator's direction may be used.
   * Throws an Error before the handshake is finished.
   */
  split(): { send: CipherState; receive: CipherState } {
    if (!this.isFinished) throw new Error('the handshake is not finished')
    const [first, second] = this.#progress.symmetric.split()
    return this.#initiator ? { send: first, receive: second } : { send: second, receive: first }
  }

  #take(writing: boolean): readonly Token[] {
    const tokens = this.#pattern.messages[this.#messagesDone]
    const initiatorsTurn = this.#messagesDone % 2 === 0
    if (tokens === undefined) throw new Error('the handshake is finished')
    if (writing !== (initiatorsTurn === this.#initiator)) throw new Error(writing ? 'not our turn' : 'not their turn')
    return this.#messagesDone === 0 && tokens[0] === 'psk' ? tokens.slice(1) : tokens
  }

  #draft(): Progress {
    return { ...this.#progress, symmetric: this.#progress.symmetric.copy() }
  }

  #write(token: Token, progress: Progress): Uint8Array {
    switch (token) {
      case 'e': {
        progress.e ??= this.#newKeyPair()
        this.#mixEphemeral(progress, progress.e.publicKey)
        return progress.e.publicKey
      }
      case 's':
        return progress.symmetric.encryptAndHash(present(this.#s, 'our static keys').publicKey)
      default:
        this.#mix(token, progress)
        return EMPTY
    }
  }

  #read(token: Token, progress: Progress, rest: Uint8Array): Uint8Array {
    switch (token) {
      case 'e': {
        if (rest.length < KEY_BYTES) throw bad('an ephemeral key cut short')
        progress.re = rest.slice(0, KEY_BYTES)
        this.#mixEphemeral(progress, progress.re)
        return rest.subarray(KEY_BYTES)
      }
      case 's': {
        const length = KEY_BYTES + (progress.symmetric.hasKey() ? TAG_BYTES : 0)
        if (rest.length < length) throw bad('a static key cut short')
        progress.rs = open(progress.symmetric, rest.subarray(0, length))
        return rest.subarray(length)
      }
      default:
        this.#mix(token, progress)
        return rest
    }
  }

  #mixEphemeral(progress: Progress, publicKey: Uint8Array): void {
    progress.symmetric.mixHash(publicKey)
    // With psks, ephemeral keys go into the key as well: no two messages may be sealed under the psk alone (section 9.2).
    if (this.#pattern.psks > 0) progress.symmetric.mixKey(publicKey)
  }

  #mix(token: Exclude<Token, 'e' | 's'>, progress: Progress): void {
    if (token === 'psk') {
      progress.symmetric.mixKeyAndHash(this.#psks[progress.psksUsed++]!)
      return
    }
    // The first letter is the initiator's key, the second the responder's.
    const ours = present(token[this.#initiator ? 0 : 1] === 'e' ? progress.e : this.#s, 'our keys')
    const theirs = present(token[this.#initiator ? 1 : 0] === 'e' ? progress.re : progress.rs, "the other side's key")
    const secret = ours.agree ? ours.agree(theirs) : this.#primitives.x25519(ours.privateKey, theirs)
    if (secret === null) throw bad('a public key of low order')
    progress.symmetric.mixKey(secret)
  }

  #newKeyPair(): DhKeyPair {
    const privateKey = this.#random(KEY_BYTES)
    return { privateKey, ...this.#primitives.x25519Pair(privateKey) }
  }
}

function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new TypeError(`this Noise pattern needs ${what}`)
  return value
}

function open(symmetric: SymmetricState, sealed: Uint8Array): Uint8Array {
  try {
    return symmetric.decryptAndHash(sealed)
  } catch (cause) {
    if (cause instanceof MeshError) throw bad('it does not open', cause)
    throw cause
  }
}

function bad(why: string, cause?: unknown): MeshError {
  return new MeshError('bad-handshake', `bad handshake message: ${why}`, { cause })
}
