import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseInstruction } from '../../cli/instructions.ts'
import { utf8 } from '../../lib/bytes.ts'

const TEXTS = [
  '',
  'hello',
  '  hello {',
  '{',
  '{"publish":',
  '[]',
  '[{"publish":{}}]',
  '"publish"',
  'null',
  '{}',
  '{"other":{"publish":1}}',
]

for (const line of TEXTS) {
  test(`the line ${JSON.stringify(line)} is text`, () => {
    assert.deepEqual(parseInstruction(utf8(line)), { kind: 'text' })
  })
}

test('bytes that are no text are published as they are', () => {
  assert.deepEqual(parseInstruction(Uint8Array.of(0x7b, 0xff, 0x7d)), { kind: 'text' })
})

test('an instruction publishes text', () => {
  assert.deepEqual(parseInstruction(utf8(' {"publish":{"topic":"a/b","data":"hé"}}')), {
    kind: 'publish',
    topic: 'a/b',
    data: 'hé',
    options: {},
  })
  assert.deepEqual(parseInstruction(utf8('{"publish":{"topic":"t","data":""}}')), {
    kind: 'publish',
    topic: 't',
    data: '',
    options: {},
  })
})

test('an instruction publishes bytes', () => {
  for (const bytes of [[], [0], [0, 255], [1, 2, 3], [255, 254, 253, 252]]) {
    const data64 = Buffer.from(bytes).toString('base64')
    const parsed = parseInstruction(utf8(JSON.stringify({ publish: { topic: 't', data64 } })))
    assert.ok(parsed.kind === 'publish' && parsed.data instanceof Uint8Array)
    assert.deepEqual([...parsed.data], bytes)
  }
})

test('an instruction says how it is to be published', () => {
  const parsed = (publish: object): unknown => {
    const instruction = parseInstruction(utf8(JSON.stringify({ publish: { topic: 't', data: 'x', ...publish } })))
    return instruction.kind === 'publish' && instruction.options
  }
  assert.deepEqual(parsed({ retain: true, ttl: 60 }), { retain: true, timeToLiveS: 60 })
  assert.deepEqual(parsed({ retain: false }), { retain: false })
  assert.deepEqual(parsed({ ttl: 604_800 }), { timeToLiveS: 604_800 })
})

const MALFORMED: readonly [why: RegExp, instruction: unknown][] = [
  [/"publish" is not an object/, { publish: 'x' }],
  [/"publish" is not an object/, { publish: null }],
  [/"publish" is not an object/, { publish: [] }],
  [/"topic" is not text/, { publish: { data: 'x' } }],
  [/"topic" is not text/, { publish: { topic: 1, data: 'x' } }],
  [/not exactly one/, { publish: { topic: 't' } }],
  [/not exactly one/, { publish: { topic: 't', data: 'x', data64: 'eA==' } }],
  [/"data" is not valid text/, { publish: { topic: 't', data: 5 } }],
  [/"data" is not valid text/, { publish: { topic: 't', data: null } }],
  [/"data" is not valid text/, { publish: { topic: 't', data: '\ud800' } }],
  [/"data64" is not base64/, { publish: { topic: 't', data64: 'eA' } }],
  [/"data64" is not base64/, { publish: { topic: 't', data64: 'e A=' } }],
  [/"data64" is not base64/, { publish: { topic: 't', data64: 7 } }],
  [/"retain" is neither true nor false/, { publish: { topic: 't', data: 'x', retain: 'yes' } }],
  [/"ttl" is not a whole number of seconds from 1 to 604800/, { publish: { topic: 't', data: 'x', ttl: 0 } }],
  [/"ttl" is not a whole number/, { publish: { topic: 't', data: 'x', ttl: 1.5 } }],
  [/"ttl" is not a whole number/, { publish: { topic: 't', data: 'x', ttl: 604_801 } }],
  [/"ttl" is not a whole number/, { publish: { topic: 't', data: 'x', ttl: '60' } }],
  [/"retained" is unknown in "publish"/, { publish: { topic: 't', data: 'x', retained: true } }],
  [/"id" is unknown beside "publish"/, { id: 1, publish: { topic: 't', data: 'x' } }],
]

for (const [why, instruction] of MALFORMED) {
  const line = JSON.stringify(instruction)
  test(`the instruction ${line} is malformed`, () => {
    const parsed = parseInstruction(utf8(line))
    assert.ok(parsed.kind === 'malformed')
    assert.match(parsed.text, why)
    assert.match(parsed.text, /it must be \{"publish"/)
  })
}
