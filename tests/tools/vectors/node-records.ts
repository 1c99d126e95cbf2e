// spec/vectors/node-records.json: where nodes say they can be reached. docs/protocol.md section 12.2.

import { concatBytes, fromHex, toHex, utf8 } from '../../../lib/bytes.ts'
import { type CborInput, encodeCbor } from '../../../lib/framing/cbor.ts'
import { addressToBytes, parseAddress } from '../../../lib/identity/address.ts'
import type { KeyPair } from '../../../lib/identity/key-pair.ts'
import type { Network } from '../../../lib/identity/network.ts'
import { encodeNodeRecord } from '../../../lib/identity/node-record.ts'
import { type Cast, packed, SENT_AT_MS, type Vector, type VectorFile } from './fixed.ts'

export function nodeRecordVectors(cast: Cast): VectorFile {
  return {
    about: 'Node records: made, and read with the addresses that this version keeps; those that must be refused.',
    vectors: [...made(cast), ...read(cast)],
  }
}

function made(cast: Cast): Vector[] {
  const vector = (name: string, keys: KeyPair, network: Network, texts: readonly string[]): Vector => {
    const addresses = texts.map((text) => parseAddress(text))
    const places = addresses.map((address) => toHex(addressToBytes(address)))
    return {
      name,
      kind: 'node-record',
      seed: toHex(keys.seed),
      networkId: toHex(network.id),
      issuedAtMs: SENT_AT_MS,
      addressTexts: texts,
      addresses: places,
      identity: toHex(keys.identity.publicKey),
      record: toHex(encodeNodeRecord(keys, network, SENT_AT_MS, addresses, cast.primitives)),
      kept: places,
    }
  }
  const eight = Array.from({ length: 8 }, (_, i) => `/ip4/192.0.2.${i + 1}/tcp/6374`)
  return [
    vector('node-record-one-address', cast.listener, cast.open, ['/ip4/192.0.2.1/tcp/6374']),
    vector('node-record-in-a-private-network', cast.listener, cast.lab, ['/ip4/192.0.2.1/tcp/6374']),
    vector('node-record-no-address', cast.third, cast.open, []),
    vector('node-record-every-kind', cast.third, cast.open, [
      '/ip6/2001:db8::1/tcp/1',
      '/dns/mesh.example/tcp/65535',
      '/dns4/mesh.example/tcp/6374',
      '/dns6/mesh.example/tcp/6374',
    ]),
    vector('node-record-eight-addresses', cast.third, cast.open, eight),
  ]
}

function read(cast: Cast): Vector[] {
  const { listener, third, open, lab, primitives } = cast
  const address = fromHex('04c00002010618e6')
  const signed = (elements: CborInput, keys: KeyPair = listener, network: Network = open): Uint8Array => {
    const part = encodeCbor(elements)
    const message = concatBytes(utf8('mesh/1 node'), network.id, primitives.sha256(part))
    return concatBytes(keys.signer.sign(message), part)
  }
  const key = listener.identity.publicKey
  const flipped = signed([1, key, SENT_AT_MS, [address]])
  flipped[70] = flipped[70]! ^ 1
  const quic = fromHex('04c0000201910218e6cc03')
  const named = fromHex(`04c00002010618e6a50326002408011220${toHex(key)}`)
  const neutral = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))
  const taken: [string, Uint8Array, Uint8Array[]][] = [
    ['more-elements', signed([1, key, SENT_AT_MS, [address], 'later']), [address]],
    ['unknown-address-protocol', signed([1, key, SENT_AT_MS, [quic, address]]), [address]],
    ['address-with-peer-id', signed([1, key, SENT_AT_MS, [named, address]]), [address]],
    ['port-0', signed([1, key, SENT_AT_MS, [fromHex('04c0000201060000'), address]]), [address]],
    ['address-junk', signed([1, key, SENT_AT_MS, [fromHex('ffff'), fromHex(''), address]]), [address]],
  ]
  const refused: [string, Uint8Array][] = [
    ['flipped-bit', flipped],
    ['signed-by-another', signed([1, key, SENT_AT_MS, [address]], third)],
    ['of-another-network', signed([1, key, SENT_AT_MS, [address]], listener, lab)],
    ['another-version', signed([2, key, SENT_AT_MS, [address]])],
    ['nine-addresses', signed([1, key, SENT_AT_MS, Array.from({ length: 9 }, () => address)])],
    ['address-of-257-bytes', signed([1, key, SENT_AT_MS, [new Uint8Array(257)]])],
    ['address-as-text', signed([1, key, SENT_AT_MS, ['/ip4/192.0.2.1/tcp/6374']])],
    ['too-few-elements', signed([1, key, SENT_AT_MS])],
    ['identity-of-31-bytes', signed([1, key.subarray(0, 31), SENT_AT_MS, []])],
    ['identity-of-small-order', signed([1, neutral, SENT_AT_MS, []])],
    ['map', signed(new Map([[1, 1]]))],
    ['signature-alone', new Uint8Array(64)],
    ['too-long', signed([1, key, SENT_AT_MS, [], new Uint8Array(2_560)])],
  ]
  const vector = (name: string, record: Uint8Array, result: string): Vector => ({
    name: `node-record-${name}`,
    kind: 'node-record-read',
    networkId: toHex(open.id),
    record: packed(record),
    result,
  })
  return [
    ...taken.map(([name, record, kept]) => ({ ...vector(name, record, 'taken'), kept: kept.map(toHex) })),
    ...refused.map(([name, record]) => vector(name, record, 'refused')),
  ]
}
