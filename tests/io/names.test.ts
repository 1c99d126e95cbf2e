import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeshError } from '../../lib/errors.ts'
import { endpointText, plainHost } from '../../lib/io/endpoint.ts'
import { nodeNames } from '../../lib/io/names.ts'

test('IP literals pass through when their family is wanted', async () => {
  assert.deepEqual(await nodeNames.resolve('192.0.2.1', 'any'), ['192.0.2.1'])
  assert.deepEqual(await nodeNames.resolve('192.0.2.1', 'ip4'), ['192.0.2.1'])
  assert.deepEqual(await nodeNames.resolve('2001:db8::1', 'ip6'), ['2001:db8::1'])
  assert.deepEqual(await nodeNames.resolve('fe80::1%eth0', 'any'), ['fe80::1%eth0'])
  await assert.rejects(nodeNames.resolve('192.0.2.1', 'ip6'), { code: 'name-not-found' })
  await assert.rejects(nodeNames.resolve('2001:db8::1', 'ip4'), { code: 'name-not-found' })
})

test('localhost is found, each address once, in the family asked for', async () => {
  const all = await nodeNames.resolve('localhost', 'any')
  assert.ok(all.length > 0)
  assert.equal(new Set(all).size, all.length)
  assert.deepEqual(await nodeNames.resolve('localhost', 'ip4'), ['127.0.0.1'])
})

test('names that cannot exist are name-not-found, and are quoted in the message', async () => {
  for (const name of ['', 'a\u0000b', '\u001b[31m.invalid', 'x'.repeat(5000), 'a..b']) {
    await assert.rejects(nodeNames.resolve(name, 'any'), (error: MeshError) => {
      assert.equal(error.code, 'name-not-found')
      assert.equal(error.message.includes('\u001b'), false)
      return true
    })
  }
})

test('endpoints are written with IPv4-mapped addresses as IPv4 and IPv6 in brackets', () => {
  assert.equal(plainHost('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(plainHost('::FFFF:192.0.2.1'), '192.0.2.1')
  assert.equal(plainHost('2001:db8::ffff:1'), '2001:db8::ffff:1')
  assert.equal(plainHost('192.0.2.1'), '192.0.2.1')
  assert.equal(endpointText({ host: '::1', port: 1 }), '[::1]:1')
  assert.equal(endpointText({ host: '192.0.2.1', port: 1 }), '192.0.2.1:1')
})
