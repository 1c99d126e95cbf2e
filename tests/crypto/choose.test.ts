import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choosePrimitives, primitives } from '../../lib/crypto/choose.ts'
import { answering } from '../../lib/crypto/known-answers.ts'
import { native } from '../../lib/crypto/native.ts'
import { noble } from '../../lib/crypto/noble.ts'

const NAMES = Object.keys(noble).sort()

test('the portable provider gives all the known answers itself', () => {
  assert.deepEqual(Object.keys(answering(noble)).sort(), NAMES)
})

test('a free choice takes each primitive from node:crypto where it answers rightly', () => {
  const { primitives: chosen, report } = choosePrimitives()
  assert.deepEqual(Object.keys(report).sort(), NAMES)
  for (const name of Object.keys(noble) as (keyof typeof noble)[]) {
    assert.equal(report[name], native[name] === undefined ? 'noble' : 'native')
    assert.equal(chosen[name], native[name] ?? noble[name])
  }
  assert.deepEqual(choosePrimitives(''), choosePrimitives())
})

test("'noble' takes everything from the portable provider", () => {
  const { primitives: chosen, report } = choosePrimitives('noble')
  assert.deepEqual({ ...chosen }, noble)
  assert.ok(Object.values(report).every((provider) => provider === 'noble'))
})

test('an unknown provider is a bad option that says what would be right', () => {
  assert.throws(() => choosePrimitives('openssl'), { code: 'bad-option', message: /'noble'/ })
})

test('the choice of this process follows its environment', () => {
  assert.deepEqual(primitives, choosePrimitives(process.env.MESHD_CRYPTO).primitives)
})

test('a primitive that answers wrongly or throws is left out, and only that one', () => {
  const broken = {
    ...noble,
    sha256: noble.sha512,
    x25519: () => {
      throw new Error('unsupported')
    },
  }
  assert.deepEqual(
    Object.keys(answering(broken)).sort(),
    NAMES.filter((name) => name !== 'sha256' && name !== 'x25519'),
  )
})

test('a build that refuses small-order keys when verifying is not used for verifying', () => {
  const strict = {
    ...noble,
    ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
      publicKey.subarray(1, 31).some((byte) => byte !== 0) && noble.ed25519Verify(publicKey, message, signature),
  }
  assert.equal(answering(strict).ed25519Verify, undefined)
})
