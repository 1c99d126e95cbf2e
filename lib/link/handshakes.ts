// What all handshakes of one node have in common, made once: their options, the beginning of the transcript with the network's
// key in it, and the payload that says who this node is. docs/protocol.md, "Handshake and opening".

import type { Primitives } from '../crypto/primitives.ts'
import type { KeyPair } from '../identity/key-pair.ts'
import type { Network } from '../identity/network.ts'
import type { Random } from '../io/world.ts'
import { type HandshakeOptions, HandshakeState } from '../noise/handshake-state.ts'
import { encodeHandshakePayload } from './handshake-payload.ts'
import { PREAMBLE } from './preamble.ts'

const PATTERN = 'XXpsk0'

export interface HandshakesContext {
  readonly random: Random
  readonly primitives: Primitives
  readonly keyPair: KeyPair
  readonly network: Network
  /** Features offered in the handshake. */
  readonly features: readonly string[]
}

/** One for each role, which never begins. */
interface Model {
  readonly options: HandshakeOptions
  readonly state: HandshakeState
}

export class Handshakes {
  /** The payload of message 2 or 3. */
  readonly payload: Uint8Array
  readonly #dialer: Model
  readonly #listener: Model

  constructor(context: HandshakesContext) {
    const { keyPair, features } = context
    this.payload = encodeHandshakePayload({ publicKey: keyPair.identity.publicKey, features })
    this.#dialer = modelOf(context, true)
    this.#listener = modelOf(context, false)
  }

  /** A handshake in that role, at its beginning. */
  begin(initiator: boolean): HandshakeState {
    const { options, state } = initiator ? this.#dialer : this.#listener
    return new HandshakeState(options, state)
  }
}

/** Those of each context that openings were made in. */
const made = new WeakMap<HandshakesContext, Handshakes>()

/** The same ones for the same context, which does not change. */
export function handshakesOf(context: HandshakesContext): Handshakes {
  let handshakes = made.get(context)
  if (handshakes === undefined) {
    handshakes = new Handshakes(context)
    made.set(context, handshakes)
  }
  return handshakes
}

function modelOf({ random, primitives, keyPair, network }: HandshakesContext, initiator: boolean): Model {
  const options: HandshakeOptions = {
    pattern: PATTERN,
    initiator,
    prologue: PREAMBLE,
    primitives,
    random: (length) => random.bytes(length),
    s: { privateKey: keyPair.x25519PrivateKey, publicKey: keyPair.identity.x25519Key, agree: keyPair.agree },
    psks: [network.psk],
  }
  return { options, state: new HandshakeState(options) }
}
