import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY, utf8 } from '../../lib/bytes.ts'
import { CipherState } from '../../lib/noise/cipher-state.ts'
import { providers } from '../crypto/providers.ts'

const KEY = new Uint8Array(32).fill(1)

test('without a key, text passes through as a copy and the nonce stays 0', () => {
  const cipher = new CipherState(null)
  const text = utf8('plain')
  assert.equal(cipher.hasKey(), false)
  for (const out of [cipher.encryptWithAd(EMPTY, text), cipher.decryptWithAd(EMPTY, text)]) {
    assert.deepEqual(out, text)
    assert.notEqual(out.buffer, text.buffer)
  }
  assert.equal(cipher.nonce, 0)
  assert.throws(() => cipher.sealInto(text, new Uint8Array(64), 0))
  assert.throws(() => cipher.rekey())
})

for (const [name, primitives] of providers) {
  const fresh = (): CipherState => new CipherState(primitives.aead(KEY))

  test(`${name}: the nonce counts every message, however it is sealed`, () => {
    const [a, b] = [fresh(), fresh()]
    const into = new Uint8Array(64)
    for (let i = 0; i < 20; i++) {
      assert.equal(a.nonce, i)
      const sealed = i % 2 === 0 ? a.encryptWithAd(EMPTY, utf8('x')) : into.slice(3, a.sealInto(utf8('x'), into, 3))
      assert.deepEqual(b.decryptWithAd(EMPTY, sealed), utf8('x'))
    }
    assert.equal(b.nonce, 20)
  })

  test(`${name}: a record that does not open leaves the nonce where it was`, () => {
    const [a, b] = [fresh(), fresh()]
    const first = a.encryptWithAd(EMPTY, utf8('first'))
    const second = a.encryptWithAd(EMPTY, utf8('second'))
    for (const wrong of [second, EMPTY, first.subarray(1), first.subarray(0, 15)]) {
      assert.throws(() => b.decryptWithAd(EMPTY, wrong), { code: 'bad-record', fault: 'remote' })
      assert.equal(b.nonce, 0)
    }
    assert.deepEqual(b.decryptWithAd(EMPTY, first), utf8('first'))
    assert.throws(() => b.decryptWithAd(EMPTY, first), { code: 'bad-record' })
    assert.deepEqual(b.decryptWithAd(EMPTY, second), utf8('second'))
  })

  test(`${name}: rekeying keeps the nonce, and both ends must do it`, () => {
    const [a, b] = [fresh(), fresh()]
    b.decryptWithAd(EMPTY, a.encryptWithAd(EMPTY, EMPTY))
    a.rekey()
    assert.equal(a.nonce, 1)
    const sealed = a.encryptWithAd(EMPTY, utf8('new'))
    assert.throws(() => b.decryptWithAd(EMPTY, sealed), { code: 'bad-record' })
    b.rekey()
    assert.deepEqual(b.decryptWithAd(EMPTY, sealed), utf8('new'))
  })

  test(`${name}: what has no room throws and does not count`, () => {
    const cipher = fresh()
    assert.throws(() => cipher.sealInto(utf8('long'), new Uint8Array(8), 0))
    assert.equal(cipher.nonce, 0)
  })

  test(`${name}: a copy goes its own way`, () => {
    const cipher = fresh()
    cipher.encryptWithAd(EMPTY, EMPTY)
    const copy = cipher.copy()
    assert.deepEqual(copy.encryptWithAd(EMPTY, EMPTY), cipher.encryptWithAd(EMPTY, EMPTY))
    copy.rekey()
    assert.notDeepEqual(copy.encryptWithAd(EMPTY, EMPTY), cipher.encryptWithAd(EMPTY, EMPTY))
    cipher.encryptWithAd(EMPTY, EMPTY)
    assert.equal(copy.nonce, cipher.nonce - 1)
  })
}
