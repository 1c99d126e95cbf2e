import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshError } from '../lib/errors.ts'
import { DEFAULTS, type MeshOptions, resolveOptions } from '../lib/options.ts'

/** Options with a value that no option of that name may have. */
const BAD: readonly (readonly [name: string, given: unknown, should: RegExp])[] = [
  ['network.name', { network: { name: '' } }, /text of 1 to 255 bytes/],
  ['network.name', { network: { name: 'n'.repeat(256) } }, /text of 1 to 255 bytes/],
  ['network.name', { network: { name: 5 } }, /text/],
  ['network.key', { network: { key: new Uint8Array(31) } }, /32 bytes/],
  ['network.key', { network: { key: 'secret' } }, /Uint8Array/],
  ['network.psk', { network: { psk: 1 } }, /known here: name, key/],
  ['listen', { listen: ':6374' }, /array/],
  ['listen', { listen: [5] }, /texts/],
  ['listen', { listen: new Array(1_025).fill('x') }, /1024/],
  ['seeds', { seeds: null }, /array/],
  ['mdns', { mdns: 1 }, /true or false/],
  ['dataDir', { dataDir: '' }, /text of 1 to 4096/],
  ['name', { name: 'n'.repeat(65) }, /text of 0 to 64 bytes/],
  ['name', { name: '☕'.repeat(22) }, /64 bytes/],
  ['agent', { agent: 'a'.repeat(65) }, /64 bytes/],
  ['identity', { identity: new Uint8Array(33) }, /32 bytes/],
  ['degree.target', { degree: { target: -1 } }, /from 0 to 64/],
  ['degree.target', { degree: { target: 5, max: 4 } }, /from 0 to 4/],
  ['degree.target', { degree: { target: 1.5 } }, /whole number/],
  ['degree.chosenMax', { degree: { chosenMax: 0 } }, /from 1 to 4096/],
  ['degree.max', { degree: { max: 4_097 } }, /from 1 to 4096/],
  ['flood', { flood: 'lazy' }, /eager, adaptive/],
  ['heartbeat.intervalMs', { heartbeat: { intervalMs: 9 } }, /from 10 to 3600000/],
  ['heartbeat.missedMax', { heartbeat: { missedMax: 0 } }, /from 1 to 100/],
  ['heartbeat.missedMax', { heartbeat: { missedMax: Number.NaN } }, /whole number/],
  ['handshakeTimeoutMs', { handshakeTimeoutMs: 9 }, /from 10/],
  ['backoff.firstMs', { backoff: { firstMs: 0 } }, /from 1/],
  ['backoff.maxMs', { backoff: { firstMs: 100, maxMs: 99 } }, /from 100/],
  ['backoff.resetAfterMs', { backoff: { resetAfterMs: '5' } }, /whole number/],
  ['heartbeat', { heartbeat: 5 }, /an object/],
  ['degree', { degree: null }, /an object/],
  ['backoff', { backoff: [] }, /an object/],
  ['peers', { peers: [] }, /known here: .*seeds/],
]

for (const [name, given, should] of BAD) {
  const shown = JSON.stringify(given)
  test(`${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown} is refused by name, with what is right`, () => {
    assert.throws(
      () => resolveOptions(given as MeshOptions),
      (error) => {
        assert.ok(error instanceof MeshError)
        assert.equal(error.code, 'bad-option')
        assert.ok(error.message.includes(` ${name}`), error.message)
        assert.match(error.message, should)
        return true
      },
    )
  })
}

test('what is no object is refused', () => {
  for (const given of [null, 5, 'x', []]) {
    assert.throws(() => resolveOptions(given as unknown as MeshOptions), { code: 'bad-option' })
  }
})

test('nothing given is every default', () => {
  assert.deepEqual(resolveOptions(), DEFAULTS)
  assert.deepEqual(resolveOptions({ network: { key: undefined }, dataDir: undefined, identity: undefined }), DEFAULTS)
})

test('what is given is kept, the rest filled in, and all of it frozen', () => {
  const options = resolveOptions({ degree: { max: 3 }, backoff: { firstMs: 100_000 }, seeds: ['a:1'] })
  assert.deepEqual(options.degree, { target: 3, chosenMax: 12, max: 3 })
  assert.equal(options.backoff.maxMs, 100_000)
  for (const part of [options, options.network, options.degree, options.heartbeat, options.backoff, options.seeds]) {
    assert.ok(Object.isFrozen(part))
  }
})

test('keys and lists are copied: what the caller changes later changes nothing', () => {
  const key = new Uint8Array(32).fill(1)
  const seeds = ['a:1']
  const options = resolveOptions({ network: { key }, identity: key, seeds })
  key.fill(0)
  seeds.push('b:1')
  assert.equal(options.network.key?.[0], 1)
  assert.equal(options.identity?.[0], 1)
  assert.deepEqual(options.seeds, ['a:1'])
})
