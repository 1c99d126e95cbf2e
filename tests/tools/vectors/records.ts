// spec/vectors/records.json: sealed records, rekeying, and records that must end a connection. docs/protocol.md section 6.

import { concatBytes, EMPTY, toHex } from '../../../lib/bytes.ts'
import type { Aead, Primitives } from '../../../lib/crypto/primitives.ts'
import { MeshError } from '../../../lib/errors.ts'
import { type RecordCipher, RecordSealer, sealedLength } from '../../../lib/framing/records.ts'
import { type Cast, counting, packed, type Vector, type VectorFile } from './fixed.ts'

export function recordVectors(cast: Cast): VectorFile {
  const key = counting(0x60)
  const short = [counting(1, 1), counting(2, 10), counting(3, 300)]
  return {
    about:
      'Records sealed one after the other from firstNonce on; key is the one in force at firstNonce. Rekeying comes after the ' +
      'nonces 65,535 and 131,071. Records that must be refused, as whole records with their length.',
    vectors: [
      sequence('records-from-nonce-0', cast, key, 0, short),
      sequence('records-from-nonce-255', cast, key, 255, short),
      sequence('records-around-the-first-rekey', cast, key, 65_534, short),
      sequence('records-around-the-second-rekey', cast, key, 131_070, short),
      sequence('records-nonce-above-32-bits', cast, key, 2 ** 32, short),
      ...refused(cast, key),
    ],
  }
}

/** One direction's cipher that starts where it is told; the library's own always starts from 0. */
export class CipherFrom implements RecordCipher {
  #aead: Aead
  nonce: number

  constructor(primitives: Primitives, key: Uint8Array, nonce: number) {
    this.#aead = primitives.aead(key)
    this.nonce = nonce
  }

  sealInto(plain: Uint8Array, into: Uint8Array, at: number): number {
    return this.#aead.sealInto(this.nonce++, plain, into, at)
  }

  decryptWithAd(associatedData: Uint8Array, sealed: Uint8Array): Uint8Array {
    const plain = this.#aead.open(this.nonce, associatedData, sealed)
    if (plain === null) throw new MeshError('bad-record', 'it does not open')
    this.nonce++
    return plain
  }

  openInto(sealed: Uint8Array, into: Uint8Array): void {
    into.set(this.decryptWithAd(EMPTY, sealed))
  }

  rekey(): void {
    this.#aead = this.#aead.rekeyed()
  }
}

function seal(sealer: RecordSealer, plain: Uint8Array): Uint8Array {
  const into = new Uint8Array(sealedLength(plain.length))
  sealer.seal(plain, into, 0)
  return into
}

function sequence(
  name: string,
  cast: Cast,
  key: Uint8Array,
  firstNonce: number,
  plains: readonly Uint8Array[],
): Vector {
  const sealer = new RecordSealer(new CipherFrom(cast.primitives, key, firstNonce))
  const records = plains.map((plain, i) => ({
    nonce: firstNonce + i,
    plain: toHex(plain),
    record: toHex(seal(sealer, plain)),
  }))
  return { name, kind: 'records', key: toHex(key), firstNonce, records }
}

function refused(cast: Cast, key: Uint8Array): Vector[] {
  const good = seal(new RecordSealer(new CipherFrom(cast.primitives, key, 5)), counting(1, 10))
  const flipped = good.slice()
  flipped[2] = flipped[2]! ^ 1
  const tag = cast.primitives.aead(key).seal(5, new Uint8Array(0), new Uint8Array(0))
  const sealed = good.subarray(2)
  const cases: [string, Uint8Array][] = [
    ['record-flipped-bit', flipped],
    ['record-of-an-earlier-nonce', seal(new RecordSealer(new CipherFrom(cast.primitives, key, 4)), counting(1, 10))],
    [
      'record-of-another-key',
      seal(new RecordSealer(new CipherFrom(cast.primitives, counting(0x61), 5)), counting(1, 10)),
    ],
    ['record-cut-to-a-tag', concatBytes(Uint8Array.of(0, 16), sealed.subarray(0, 16))],
    ['record-empty-but-genuine', concatBytes(Uint8Array.of(0, 16), tag)],
    ['record-shorter-than-a-tag', concatBytes(Uint8Array.of(0, 15), sealed.subarray(0, 15))],
    ['record-of-length-0', Uint8Array.of(0, 0)],
  ]
  return cases.map(([name, record]) => ({
    name,
    kind: 'record-refused',
    key: toHex(key),
    nonce: 5,
    record: packed(record),
    error: 'bad-record',
  }))
}
