// Two ends of one handshake with keys from a seed, for tests.

import { utf8 } from '../../lib/bytes.ts'
import type { Primitives } from '../../lib/crypto/primitives.ts'
import { type DhKeyPair, type HandshakeOptions, HandshakeState } from '../../lib/noise/handshake-state.ts'
import { patternOf } from '../../lib/noise/patterns.ts'
import { completedNative } from '../crypto/providers.ts'
import { type Seeded, seeded } from '../crypto/seeded.ts'

export function keyPair(random: Seeded, primitives: Primitives = completedNative): DhKeyPair {
  const privateKey = random.bytes(32)
  return { privateKey, publicKey: primitives.x25519PublicKey(privateKey) }
}

/** The options of both ends: all the static keys and psks that the pattern may need. */
export function optionsOf(pattern: string, seed: number): [initiator: HandshakeOptions, responder: HandshakeOptions] {
  const random = seeded(seed)
  const [a, b] = [keyPair(random), keyPair(random)]
  const { initiatorKnown, responderKnown, psks } = patternOf(pattern)
  const shared = {
    pattern,
    prologue: utf8('a prologue'),
    primitives: completedNative,
    random: (length: number) => random.bytes(length),
    psks: Array.from({ length: psks }, () => random.bytes(32)),
  }
  return [
    { ...shared, initiator: true, s: a, ...(responderKnown ? { rs: b.publicKey } : {}) },
    { ...shared, initiator: false, s: b, ...(initiatorKnown ? { rs: a.publicKey } : {}) },
  ]
}

export function pairOf(pattern: string, seed: number): [initiator: HandshakeState, responder: HandshakeState] {
  const [a, b] = optionsOf(pattern, seed)
  return [new HandshakeState(a), new HandshakeState(b)]
}
