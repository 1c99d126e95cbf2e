import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../lib/bytes.ts'
import { DeliveredMessage } from '../lib/flood/message.ts'
import { MeshError } from '../lib/index.ts'
import { jsonSchema } from '../lib/json-schema.ts'

const SCHEMA = {
  type: 'object',
  properties: { celsius: { type: 'number', minimum: -90, maximum: 60 } },
  required: ['celsius'],
  additionalProperties: false,
}

function message(data: string | Uint8Array, retained = false): DeliveredMessage {
  const origin = { from: 'x', epoch: 1, sentAtMs: 0, hops: 1, replayed: false, retained }
  return new DeliveredMessage('weather', typeof data === 'string' ? utf8(data) : data, 0, origin)
}

const isBadArgument = (error: unknown): boolean => error instanceof MeshError && error.code === 'bad-argument'

test('JSON that fits is accepted, and anything else is not', () => {
  const check = jsonSchema(SCHEMA)
  assert.equal(check(message('{"celsius": 21.5}')), 'accept')
  for (const text of ['{"celsius": 61}', '{"celsius": "21"}', '{}', '{"celsius": 1, "x": 2}', '21', 'null', '', '{']) {
    assert.equal(check(message(text)), 'reject', text)
  }
})

test('bytes that are no UTF-8, and a byte order mark, are no JSON', () => {
  const check = jsonSchema(true)
  assert.equal(check(message('"é"')), 'accept')
  assert.equal(check(message(Uint8Array.of(0x22, 0xff, 0x22))), 'reject')
  assert.equal(check(message(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))), 'reject')
})

test('what does not fit can be ignored instead', () => {
  const check = jsonSchema(SCHEMA, { otherwise: 'ignore' })
  assert.equal(check(message('{"celsius": 61}')), 'ignore')
  assert.equal(check(message('{"celsius": 60}')), 'accept')
  assert.throws(() => jsonSchema(SCHEMA, { otherwise: 'accept' as 'ignore' }), isBadArgument)
})

test('the removal of a retained value is accepted, an empty message is not', () => {
  const check = jsonSchema(SCHEMA)
  assert.equal(check(message('', true)), 'accept')
  assert.equal(check(message('')), 'reject')
  assert.equal(check(message('{}', true)), 'reject')
})

test('draft 2020-12 is understood, and draft-07 where the schema names it', () => {
  const pair = [{ type: 'number' }, { type: 'string' }]
  const newer = jsonSchema({ type: 'array', prefixItems: pair, minItems: 2, items: false })
  const draft7 = { $schema: 'http://json-schema.org/draft-07/schema#' }
  const older = jsonSchema({ ...draft7, type: 'array', items: pair, minItems: 2, additionalItems: false })
  for (const check of [newer, older]) {
    assert.equal(check(message('[1, "a"]')), 'accept')
    assert.equal(check(message('["a", 1]')), 'reject')
    assert.equal(check(message('[1, "a", 2]')), 'reject')
  }
})

test('what is no schema, would have to be fetched, or asks for what is not checked is refused', () => {
  for (const schema of [
    { type: 'nothing' },
    { tpye: 'object' },
    { type: 'string', format: 'email' },
    { $ref: 'https://example.org/schema.json' },
    { $schema: 'https://example.org/another' },
    { $async: true, type: 'object' },
    'object' as unknown as object,
    null as unknown as object,
  ]) {
    assert.throws(() => jsonSchema(schema), isBadArgument, JSON.stringify(schema))
  }
})

test('a payload that nests deeper than a schema can follow does not fit', () => {
  const check = jsonSchema({ type: 'array', items: { $ref: '#' } })
  assert.equal(check(message('[[[]]]')), 'accept')
  assert.equal(check(message('['.repeat(500_000) + ']'.repeat(500_000))), 'reject')
})
