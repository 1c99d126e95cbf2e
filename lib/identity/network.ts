// A network: what its name and its secret, if it has one, turn into. Who may join is decided by what is made here; who has
// joined is not known here. docs/protocol.md section 3.

import { EMPTY, toHex, utf8 } from '../bytes.ts'
import { expectLength } from '../crypto/inputs.ts'
import type { Primitives } from '../crypto/primitives.ts'

export interface Network {
  readonly name: string
  /** The network key, 32 bytes: Noise's psk. A secret, unless the network is open. */
  readonly psk: Uint8Array
  /** The network id, 32 bytes: bound into signatures, so that nothing signed for one network is valid in another. */
  readonly id: Uint8Array
  /** The first 8 bytes of `id` as 16 hex digits: what multicast DNS shows. */
  readonly tag: string
}

const KEY_SALT = utf8('mesh/1 network')
const ID_SALT = utf8('mesh/1 network id')

/**
 * `key` is the 32-byte secret of a private network, or null for an open one, which anyone who knows the name can join. The
 * founding secret equals the current one. Throws TypeError on a key of another length.
 */
export function networkOf(name: string, key: Uint8Array | null, primitives: Primitives): Network {
  if (key !== null) expectLength('network key', key, 32)
  const info = utf8(name)
  const id = primitives.hkdfSha256(key ?? EMPTY, ID_SALT, info, 32)
  const psk = primitives.hkdfSha256(key ?? EMPTY, KEY_SALT, info, 32)
  return Object.freeze({ name, psk, id, tag: toHex(id.subarray(0, 8)) })
}
