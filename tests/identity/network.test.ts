import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../lib/bytes.ts'
import { networkOf } from '../../lib/identity/network.ts'
import { providers } from '../crypto/providers.ts'

// Computed with Python's hmac from the definition in docs/protocol.md, section 3.
const PSK_OF_DEFAULT = 'b65912fba9ce72f443ebc4de993498a8c66c0f25a261d40a113b32952b2874d0'
const ID_OF_DEFAULT = '81cff8bf0420602387b44ccb253fdfd1a17df66570f4fb351d33e31ac477e9f2'

for (const [name, primitives] of providers) {
  test(`${name}: the default open network has these keys`, () => {
    const network = networkOf('default', null, primitives)
    assert.equal(toHex(network.psk), PSK_OF_DEFAULT)
    assert.equal(toHex(network.id), ID_OF_DEFAULT)
    assert.equal(network.tag, ID_OF_DEFAULT.slice(0, 16))
    assert.equal(network.name, 'default')
  })

  test(`${name}: name and secret both tell networks apart`, () => {
    const key = new Uint8Array(32).fill(5)
    const networks = [
      networkOf('a', null, primitives),
      networkOf('b', null, primitives),
      networkOf('a', key, primitives),
      networkOf('a', new Uint8Array(32).fill(6), primitives),
    ]
    const all = networks.flatMap(({ psk, id }) => [toHex(psk), toHex(id)])
    assert.equal(new Set(all).size, all.length)
  })

  test(`${name}: a network key of another length is our own mistake`, () => {
    for (const length of [0, 31, 33]) {
      assert.throws(() => networkOf('a', new Uint8Array(length), primitives), TypeError)
    }
  })
}
