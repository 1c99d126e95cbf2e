// Identities and networks from small numbers, for tests.

import { Identities } from '../../lib/identity/identities.ts'
import { type KeyPair, keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import { type Network, networkOf } from '../../lib/identity/network.ts'
import { completedNative } from '../crypto/providers.ts'

export const identities: Identities = new Identities()

export function keyPairOf(number: number): KeyPair {
  return keyPairFromSeed(new Uint8Array(32).fill(number), identities, completedNative)
}

export const openNetwork: Network = networkOf('default', null, completedNative)
