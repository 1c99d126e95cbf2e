// spec/vectors/handshake.json: whole handshakes byte for byte, and what must fail. docs/protocol.md section 5.

import { concatBytes, EMPTY, toHex } from '../../../lib/bytes.ts'
import type { Aead } from '../../../lib/crypto/primitives.ts'
import { type CborInput, encodeCbor } from '../../../lib/framing/cbor.ts'
import { encodeFrame, FrameType } from '../../../lib/framing/frames.ts'
import { RecordSealer, sealedLength } from '../../../lib/framing/records.ts'
import type { KeyPair } from '../../../lib/identity/key-pair.ts'
import type { Network } from '../../../lib/identity/network.ts'
import { PREAMBLE } from '../../../lib/link/preamble.ts'
import { HandshakeState } from '../../../lib/noise/handshake-state.ts'
import { type Cast, counting, type Vector, type VectorFile } from './fixed.ts'

export function handshakeVectors(cast: Cast): VectorFile {
  const plain = encodeCbor(new Map([[1, cast.dialer.identity.publicKey]]))
  const answer = encodeCbor(new Map([[1, cast.listener.identity.publicKey]]))
  return {
    about:
      'Noise_XXpsk0_25519_ChaChaPoly_SHA256 between two fixed nodes with fixed ephemeral private keys, message by message; ' +
      'messages that a listener must refuse; payloads and whether they prove the static key of staticSeed.',
    vectors: [
      handshake('handshake-default', cast, cast.open, answer, plain),
      handshake('handshake-private', cast, cast.lab, withFeatures(cast.listener), withFeatures(cast.dialer)),
      ...refused(cast),
      ...payloads(cast),
    ],
  }
}

/** One side with its keys fixed. */
export function handshakeSide(cast: Cast, initiator: boolean, psk: Uint8Array): HandshakeState {
  const { primitives } = cast
  const keys = initiator ? cast.dialer : cast.listener
  const ephemeral = initiator ? cast.dialerEphemeral : cast.listenerEphemeral
  return new HandshakeState({
    pattern: 'XXpsk0',
    initiator,
    prologue: PREAMBLE,
    primitives,
    random: () => {
      throw new Error('a vector needs no chance')
    },
    s: { privateKey: keys.x25519PrivateKey, publicKey: keys.identity.x25519Key },
    e: { privateKey: ephemeral, publicKey: primitives.x25519PublicKey(ephemeral) },
    psks: [psk],
  })
}

function withFeatures(keys: KeyPair): Uint8Array {
  return encodeCbor(
    new Map<number, CborInput>([
      [1, keys.identity.publicKey],
      [2, ['lazy', 'streams']],
      [9, 'from a later version'],
    ]),
  )
}

function record(message: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(message.length >> 8, message.length & 0xff), message)
}

function handshake(name: string, cast: Cast, network: Network, payload2: Uint8Array, payload3: Uint8Array): Vector {
  const dialer = handshakeSide(cast, true, network.psk)
  // The library never shows the transport keys, so primitives that remember the keys they are given make them known.
  const keys: Uint8Array[] = []
  const aead = (key: Uint8Array): Aead => {
    keys.push(key.slice())
    return cast.primitives.aead(key)
  }
  const listener = handshakeSide({ ...cast, primitives: { ...cast.primitives, aead } }, false, network.psk)
  const message1 = dialer.writeMessage(EMPTY)
  listener.readMessage(message1)
  const message2 = listener.writeMessage(payload2)
  dialer.readMessage(message2)
  const message3 = dialer.writeMessage(payload3)
  listener.readMessage(message3)
  const dialerPlain = encodeFrame(FrameType.ping, counting(1, 8))
  const listenerPlain = encodeFrame(FrameType.pong, counting(1, 8))
  keys.length = 0
  const listenerSends = listener.split().send
  return {
    name,
    kind: 'handshake',
    networkKey: toHex(network.psk),
    prologue: toHex(PREAMBLE),
    dialerSeed: toHex(cast.dialer.seed),
    dialerEphemeral: toHex(cast.dialerEphemeral),
    dialerStatic: toHex(cast.dialer.identity.x25519Key),
    listenerSeed: toHex(cast.listener.seed),
    listenerEphemeral: toHex(cast.listenerEphemeral),
    listenerStatic: toHex(cast.listener.identity.x25519Key),
    payload2: toHex(payload2),
    payload3: toHex(payload3),
    message1: toHex(message1),
    message2: toHex(message2),
    message3: toHex(message3),
    dialerWrites1: toHex(concatBytes(PREAMBLE, record(message1))),
    listenerWrites2: toHex(record(message2)),
    dialerWrites3: toHex(record(message3)),
    handshakeHash: toHex(dialer.handshakeHash),
    dialerKey: toHex(keys[0]!),
    listenerKey: toHex(keys[1]!),
    dialerPlain: toHex(dialerPlain),
    dialerRecord: toHex(sealed(new RecordSealer(dialer.split().send), dialerPlain)),
    listenerPlain: toHex(listenerPlain),
    listenerRecord: toHex(sealed(new RecordSealer(listenerSends), listenerPlain)),
  }
}

function sealed(sealer: RecordSealer, plain: Uint8Array): Uint8Array {
  const into = new Uint8Array(sealedLength(plain.length))
  sealer.seal(plain, into, 0)
  return into
}

function refused(cast: Cast): Vector[] {
  const good = handshakeSide(cast, true, cast.open.psk).writeMessage(EMPTY)
  const flipped = good.slice()
  flipped[47] = flipped[47]! ^ 1
  const cases: [string, Uint8Array][] = [
    ['handshake-wrong-network-key', handshakeSide(cast, true, cast.lab.psk).writeMessage(EMPTY)],
    ['handshake-flipped-tag', flipped],
    ['handshake-cut-short', good.subarray(0, 47)],
    ['handshake-ephemeral-cut-short', good.subarray(0, 31)],
    ['handshake-byte-too-many', concatBytes(good, Uint8Array.of(0))],
  ]
  return cases.map(([name, message1]) => ({
    name,
    kind: 'handshake-refused',
    networkKey: toHex(cast.open.psk),
    dialerSeed: toHex(cast.dialer.seed),
    dialerEphemeral: toHex(cast.dialerEphemeral),
    listenerSeed: toHex(cast.listener.seed),
    listenerEphemeral: toHex(cast.listenerEphemeral),
    message1: toHex(message1),
    error: 'bad-handshake',
  }))
}

function payloads(cast: Cast): Vector[] {
  const { publicKey, x25519Key } = cast.dialer.identity
  const negative = publicKey.slice()
  negative[31] = negative[31]! ^ 0x80
  const map = (...entries: [number | string, CborInput][]): Uint8Array => encodeCbor(new Map(entries))
  const features = (count: number, length: number): CborInput =>
    Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i).repeat(length))
  const cases: [string, Uint8Array, boolean][] = [
    ['payload-identity-alone', map([1, publicKey]), true],
    ['payload-sixteen-features-of-32-bytes', map([1, publicKey], [2, features(16, 32)]), true],
    ['payload-keys-in-another-order', map([7, [1, 2]], [2, []], [1, publicKey], ['later', null]), true],
    ['payload-negative-of-the-identity', map([1, negative]), true],
    ['payload-identity-of-another', map([1, cast.third.identity.publicKey]), false],
    ['payload-empty', EMPTY, false],
    ['payload-empty-map', map(), false],
    ['payload-array', encodeCbor([publicKey]), false],
    ['payload-identity-of-31-bytes', map([1, publicKey.subarray(0, 31)]), false],
    ['payload-identity-as-text', map([1, 'a'.repeat(32)]), false],
    ['payload-seventeen-features', map([1, publicKey], [2, features(17, 1)]), false],
    ['payload-feature-of-33-bytes', map([1, publicKey], [2, features(1, 33)]), false],
    ['payload-feature-as-number', map([1, publicKey], [2, [1]]), false],
    ['payload-byte-too-many', concatBytes(map([1, publicKey]), Uint8Array.of(0)), false],
    [
      'payload-key-twice',
      concatBytes(Uint8Array.of(0xa2), map([1, publicKey]).subarray(1), map([1, publicKey]).subarray(1)),
      false,
    ],
    ['payload-small-order-identity', map([1, new Uint8Array(32)]), false],
  ]
  return cases.map(([name, payload, accepted]) => ({
    name,
    kind: 'handshake-payload',
    payload: toHex(payload),
    staticSeed: toHex(cast.dialer.seed),
    static: toHex(x25519Key),
    accepted,
  }))
}
