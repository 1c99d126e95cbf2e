import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ed25519 } from '@noble/curves/ed25519.js'
import { choosePrimitives, primitives } from '../../lib/crypto/choose.ts'
import { answering } from '../../lib/crypto/known-answers.ts'
import { native } from '../../lib/crypto/native.ts'
import { noble } from '../../lib/crypto/noble.ts'
import { sodium } from '../../lib/crypto/sodium.ts'
import { skipWithoutSodium } from './providers.ts'

const NAMES = Object.keys(noble).sort()

test('the portable provider gives all the known answers itself', () => {
  assert.deepEqual(Object.keys(answering(noble)).sort(), NAMES)
})

test('a free choice takes each primitive from libsodium, else from node:crypto, where these answer rightly', () => {
  const { primitives: chosen, report } = choosePrimitives()
  assert.deepEqual(Object.keys(report).sort(), NAMES)
  for (const name of Object.keys(noble) as (keyof typeof noble)[]) {
    const rest = native[name] === undefined ? 'noble' : 'native'
    assert.equal(report[name], sodium[name] === undefined ? rest : 'sodium')
    assert.equal(chosen[name], sodium[name] ?? native[name] ?? noble[name])
  }
  assert.deepEqual(choosePrimitives(''), choosePrimitives())
})

test("'noble' takes everything from the portable provider", () => {
  const { primitives: chosen, report } = choosePrimitives('noble')
  assert.deepEqual({ ...chosen }, noble)
  assert.ok(Object.values(report).every((provider) => provider === 'noble'))
})

test("'native' takes nothing from libsodium", () => {
  const { primitives: chosen, report } = choosePrimitives('native')
  assert.deepEqual({ ...chosen }, { ...noble, ...native })
  assert.ok(Object.values(report).every((provider) => provider !== 'sodium'))
})

test('libsodium serves records, signatures, agreement, admission and short hashes', { skip: skipWithoutSodium }, () => {
  assert.deepEqual(Object.keys(sodium).sort(), [
    'acceptableX25519Key',
    'aead',
    'ed25519Signer',
    'ed25519Verify',
    'hkdfSha256',
    'hmacSha256',
    'sha256',
    'x25519',
    'x25519Pair',
    'x25519PublicKey',
  ])
})

test('an unknown provider is a bad option that says what would be right', () => {
  assert.throws(() => choosePrimitives('openssl'), { code: 'bad-option', message: /'noble'.*'native'.*'openssl'/ })
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

test('a build that multiplies by the cofactor is not used for verifying', () => {
  const generous = {
    ...noble,
    ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
      ed25519.verify(signature, message, publicKey, { zip215: true }),
  }
  assert.equal(answering(generous).ed25519Verify, undefined)
})

test('a build that refuses small-order keys when verifying is not used for verifying', () => {
  const strict = {
    ...noble,
    ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
      publicKey.subarray(1, 31).some((byte) => byte !== 0) && noble.ed25519Verify(publicKey, message, signature),
  }
  assert.equal(answering(strict).ed25519Verify, undefined)
})
