import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../lib/bytes.ts'
import { Identities } from '../../lib/identity/identities.ts'
import { keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import { providers } from '../crypto/providers.ts'

for (const [name, primitives] of providers) {
  test(`${name}: all keys of a seed belong together`, () => {
    const seed = new Uint8Array(32).fill(1)
    const pair = keyPairFromSeed(seed, new Identities(), primitives)
    assert.equal(pair.identity.id, '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')
    assert.deepEqual(primitives.x25519PublicKey(pair.x25519PrivateKey), pair.identity.x25519Key)
    assert.equal(primitives.ed25519Verify(pair.identity.publicKey, utf8('m'), pair.signer.sign(utf8('m'))), true)
    seed.fill(0)
    assert.deepEqual(pair.seed, new Uint8Array(32).fill(1))
    assert.deepEqual(
      pair.signer.sign(utf8('m')),
      keyPairFromSeed(pair.seed, new Identities(), primitives).signer.sign(utf8('m')),
    )
  })

  test(`${name}: the X25519 private key is clamped`, () => {
    for (let number = 0; number < 8; number++) {
      const { x25519PrivateKey } = keyPairFromSeed(new Uint8Array(32).fill(number), new Identities(), primitives)
      assert.equal(x25519PrivateKey.length, 32)
      assert.equal(x25519PrivateKey[0]! & 7, 0)
      assert.equal(x25519PrivateKey[31]! & 0xc0, 0x40)
    }
  })

  test(`${name}: a seed of another length is our own mistake`, () => {
    assert.throws(() => keyPairFromSeed(new Uint8Array(31), new Identities(), primitives), TypeError)
  })
}
