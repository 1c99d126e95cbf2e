// spec/vectors/network.json: what a network's name and secret become. docs/protocol.md section 3.

import { toHex } from '../../../lib/bytes.ts'
import { networkOf } from '../../../lib/identity/network.ts'
import { type Cast, counting, type Vector, type VectorFile } from './fixed.ts'

export function networkVectors(cast: Cast): VectorFile {
  const vector = (name: string, networkName: string, secret: Uint8Array | null): Vector => {
    const network = networkOf(networkName, secret, cast.primitives)
    return {
      name,
      kind: 'network',
      networkName,
      secret: secret === null ? '' : toHex(secret),
      networkKey: toHex(network.psk),
      networkId: toHex(network.id),
      networkTag: network.tag,
    }
  }
  return {
    about: 'Network key, id and tag from a name and a secret; an empty secret is an open network.',
    vectors: [
      vector('network-default', 'default', null),
      vector('network-lab-private', 'lab', cast.labSecret),
      vector('network-lab-open', 'lab', null),
      vector('network-unicode-name', 'Café-☕', counting(1)),
      vector('network-name-of-255-bytes', 'n'.repeat(255), null),
    ],
  }
}
