import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { test } from 'node:test'
import { nodeWorld } from '../../lib/io/node.ts'

test('the real world has every part, and its interfaces have literals, families and prefix lengths', () => {
  const world = nodeWorld()
  assert.deepEqual(
    Object.values(world).filter((part) => part === null || part === undefined),
    [],
  )
  const all = world.interfaces()
  assert.ok(all.some((one) => one.internal))
  for (const { interfaceName, host, family, scope, prefixLength } of all) {
    assert.notEqual(interfaceName, '')
    assert.ok(family === 'ip4' ? isIPv4(host) : isIPv6(host))
    assert.ok(Number.isInteger(scope) && scope >= 0)
    assert.ok(Number.isInteger(prefixLength) && prefixLength >= 0 && prefixLength <= (family === 'ip4' ? 32 : 128))
  }
})
