import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROTOCOL_NAME_BYTES_MAX, PROTOCOL_NAMES_MAX } from '../../lib/limits.ts'
import { checkProtocolNames, StreamRegistry } from '../../lib/streams/registry.ts'

test('the first name of the opener that there is a handler for is chosen', () => {
  const registry = new StreamRegistry()
  const one = (): void => {}
  const two = (): void => {}
  registry.handle('/files/1', one)
  registry.handle('/files/2', two)
  assert.deepEqual(registry.choose(['/files/3', '/files/2', '/files/1']), { index: 1, name: '/files/2', handler: two })
  assert.equal(registry.choose(['/files/1'])?.handler, one)
  assert.equal(registry.choose(['/files/3']), null)
  assert.equal(registry.choose(['toString', '__proto__']), null)
})

test('a name has one handler until it is taken back', () => {
  const registry = new StreamRegistry()
  registry.handle('/x/1', () => {})
  assert.throws(() => registry.handle('/x/1', () => {}), { code: 'already-registered' })
  registry.unhandle('/x/1')
  assert.equal(registry.choose(['/x/1']), null)
  registry.unhandle('/x/1')
  registry.handle('/x/1', () => {})
})

test('names are text of 1 to 64 bytes', () => {
  const registry = new StreamRegistry()
  registry.handle('ä'.repeat(PROTOCOL_NAME_BYTES_MAX / 2), () => {})
  for (const name of ['', 'x'.repeat(PROTOCOL_NAME_BYTES_MAX + 1), '\ud800', 7 as never]) {
    assert.throws(() => registry.handle(name, () => {}), { code: 'bad-argument' })
  }
  assert.throws(() => registry.handle('/x/1', 'no function' as never), { code: 'bad-argument' })
})

test('an open has 1 to 16 names', () => {
  const names = Array.from({ length: PROTOCOL_NAMES_MAX }, (_, i) => `/x/${i}`)
  checkProtocolNames(names)
  for (const bad of [[], [...names, '/y'], [''], ['/x', 3], '/x', null]) {
    assert.throws(() => checkProtocolNames(bad as never), { code: 'bad-argument' })
  }
})
