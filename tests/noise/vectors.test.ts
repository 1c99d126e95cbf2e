// The handshakes of two other implementations (cacophony, snow), byte for byte: every message, the transport messages behind
// them, and the handshake hash where it is told. Both sides run here, and both providers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY, fromHex, toHex } from '../../lib/bytes.ts'
import type { Primitives } from '../../lib/crypto/primitives.ts'
import { type DhKeyPair, HandshakeState } from '../../lib/noise/handshake-state.ts'
import { PATTERN_NAMES } from '../../lib/noise/patterns.ts'
import { providers } from '../crypto/providers.ts'
import { outsideVectors, skipWithout } from '../tools/outside-vectors.ts'

interface Vector {
  protocol_name: string
  init_prologue: string
  init_psks?: string[]
  init_static?: string
  init_ephemeral?: string
  init_remote_static?: string
  resp_prologue: string
  resp_psks?: string[]
  resp_static?: string
  resp_ephemeral?: string
  resp_remote_static?: string
  handshake_hash?: string
  messages: { payload: string; ciphertext: string }[]
}

function sideOf(vector: Vector, side: 'init' | 'resp', primitives: Primitives): HandshakeState {
  const pair = (hex: string | undefined): DhKeyPair | null =>
    hex === undefined ? null : { privateKey: fromHex(hex), publicKey: primitives.x25519PublicKey(fromHex(hex)) }
  const s = pair(vector[`${side}_static`])
  const e = pair(vector[`${side}_ephemeral`])
  const rs = vector[`${side}_remote_static`]
  return new HandshakeState({
    pattern: vector.protocol_name.split('_')[1]!,
    initiator: side === 'init',
    prologue: fromHex(vector[`${side}_prologue`]),
    primitives,
    random: () => assert.fail('a vector says every key'),
    psks: (vector[`${side}_psks`] ?? []).map(fromHex),
    ...(s === null ? {} : { s }),
    ...(e === null ? {} : { e }),
    ...(rs === undefined ? {} : { rs: fromHex(rs) }),
  })
}

function run(vector: Vector, primitives: Primitives): void {
  const initiator = sideOf(vector, 'init', primitives)
  const responder = sideOf(vector, 'resp', primitives)
  const messages = vector.messages.map(({ payload, ciphertext }) => [fromHex(payload), fromHex(ciphertext)] as const)
  const queue = messages.values()
  let turn = 0
  while (!initiator.isFinished) {
    const [payload, message] = queue.next().value!
    const [writer, reader] = turn++ % 2 === 0 ? [initiator, responder] : [responder, initiator]
    assert.equal(toHex(writer.writeMessage(payload)), toHex(message))
    assert.deepEqual(reader.readMessage(message), payload)
  }
  assert.equal(responder.isFinished, true)
  assert.deepEqual(responder.handshakeHash, initiator.handshakeHash)
  if (vector.handshake_hash !== undefined) assert.equal(toHex(initiator.handshakeHash), vector.handshake_hash)
  if (vector.init_static !== undefined) {
    assert.deepEqual(responder.remoteStatic, primitives.x25519PublicKey(fromHex(vector.init_static)))
  }
  const oneWay = turn === 1
  const ends = [initiator.split(), responder.split()]
  let transport = 0
  for (const [payload, message] of queue) {
    const writer = oneWay ? 0 : turn++ % 2
    assert.equal(toHex(ends[writer]!.send.encryptWithAd(EMPTY, payload)), toHex(message))
    assert.deepEqual(ends[1 - writer]!.receive.decryptWithAd(EMPTY, message), payload)
    transport++
  }
  assert.ok(transport > 0, 'the vector has transport messages')
}

const met = new Set<string>()

for (const [file, count] of [
  ['noise-cacophony.json', 59],
  ['noise-snow.json', 51],
] as const) {
  for (const [name, primitives] of providers) {
    test(`${name}: every handshake in ${file} is reproduced byte for byte`, { skip: skipWithout(file) }, async (t) => {
      const { vectors } = outsideVectors(file) as { vectors: Vector[] }
      assert.equal(vectors.length, count)
      for (const vector of vectors) {
        met.add(vector.protocol_name.split('_')[1]!.replace(/psk.*/, ''))
        await t.test(vector.protocol_name, () => run(vector, primitives))
      }
    })
  }
}

test('the vectors cover every pattern of the table', { skip: skipWithout('noise-cacophony.json') }, () => {
  assert.deepEqual(
    PATTERN_NAMES.filter((name) => !met.has(name)),
    [],
  )
})
