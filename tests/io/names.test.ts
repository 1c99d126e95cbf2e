import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { MeshError } from '../../lib/errors.ts'
import { endpointText, plainHost } from '../../lib/io/endpoint.ts'
import { namesBy, nodeNames } from '../../lib/io/names.ts'
import type { Names } from '../../lib/io/world.ts'

/** Nobody gives up. */
const LONG = new AbortController().signal

test('IP literals pass through when their family is wanted', async () => {
  assert.deepEqual(await nodeNames.resolve('192.0.2.1', 'any', LONG), ['192.0.2.1'])
  assert.deepEqual(await nodeNames.resolve('192.0.2.1', 'ip4', LONG), ['192.0.2.1'])
  assert.deepEqual(await nodeNames.resolve('2001:db8::1', 'ip6', LONG), ['2001:db8::1'])
  assert.deepEqual(await nodeNames.resolve('fe80::1%eth0', 'any', LONG), ['fe80::1%eth0'])
  await assert.rejects(nodeNames.resolve('192.0.2.1', 'ip6', LONG), { code: 'name-not-found' })
  await assert.rejects(nodeNames.resolve('2001:db8::1', 'ip4', LONG), { code: 'name-not-found' })
})

test('localhost is found, each address once, in the family asked for', async () => {
  const all = await nodeNames.resolve('localhost', 'any', LONG)
  assert.ok(all.length > 0)
  assert.equal(new Set(all).size, all.length)
  assert.deepEqual(await nodeNames.resolve('localhost', 'ip4', LONG), ['127.0.0.1'])
})

test('names that cannot exist are name-not-found, and are quoted in the message', async () => {
  for (const name of ['', 'a\u0000b', '\u001b[31m.invalid', 'x'.repeat(5000), 'a..b']) {
    await assert.rejects(nodeNames.resolve(name, 'any', LONG), (error: MeshError) => {
      assert.equal(error.code, 'name-not-found')
      assert.equal(error.message.includes('\u001b'), false)
      return true
    })
  }
})

/** A resolver that answers when it is told to. */
function silent(): { begun: string[]; answers: Map<string, (found: { address: string }[]) => void>; names: Names } {
  const begun: string[] = []
  const answers = new Map<string, (found: { address: string }[]) => void>()
  const names = namesBy((name) => {
    begun.push(name)
    return new Promise((resolve) => answers.set(name, resolve))
  })
  return { begun, answers, names }
}

test('two names at most are looked up at once, the others in their order, and what was given up before its turn never is', async () => {
  const { begun, answers, names } = silent()
  const giveUp = new AbortController()
  const [a, b] = ['a', 'b'].map((name) => names.resolve(name, 'any', LONG))
  const c = names.resolve('c', 'any', giveUp.signal)
  const [d, e] = ['d', 'e'].map((name) => names.resolve(name, 'any', LONG))
  await turn()
  assert.deepEqual(begun, ['a', 'b'])
  // Needs no turn.
  assert.deepEqual(await names.resolve('192.0.2.1', 'any', LONG), ['192.0.2.1'])

  giveUp.abort(new Error('enough'))
  await assert.rejects(c, { code: 'aborted' })
  answers.get('b')!([{ address: '192.0.2.2' }])
  assert.deepEqual(await b, ['192.0.2.2'])
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'd'])

  // One that found nothing makes room as well.
  answers.get('a')!([])
  await assert.rejects(a!, { code: 'name-not-found' })
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'd', 'e'])
  for (const name of ['d', 'e']) answers.get(name)!([{ address: '192.0.2.3' }])
  assert.deepEqual(await Promise.all([d, e]), [['192.0.2.3'], ['192.0.2.3']])

  const again = names.resolve('f', 'any', LONG)
  await turn()
  answers.get('f')!([{ address: '192.0.2.4' }])
  assert.deepEqual(await again, ['192.0.2.4'])
  await assert.rejects(names.resolve('g', 'any', giveUp.signal), { code: 'aborted' })
  assert.equal(begun.includes('g'), false)
})

test('endpoints are written with IPv4-mapped addresses as IPv4 and IPv6 in brackets', () => {
  assert.equal(plainHost('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(plainHost('::FFFF:192.0.2.1'), '192.0.2.1')
  assert.equal(plainHost('2001:db8::ffff:1'), '2001:db8::ffff:1')
  assert.equal(plainHost('192.0.2.1'), '192.0.2.1')
  assert.equal(endpointText({ host: '::1', port: 1 }), '[::1]:1')
  assert.equal(endpointText({ host: '192.0.2.1', port: 1 }), '192.0.2.1:1')
})
