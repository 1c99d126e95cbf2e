// spec/vectors against the library: with both crypto providers, every vector gives what stands in it, and the files are
// exactly what `npm run vectors` writes.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { choosePrimitives } from '../../lib/crypto/choose.ts'
import { noble } from '../../lib/crypto/noble.ts'
import { makeVectors, VECTORS_FOLDER } from '../tools/make-vectors.ts'
import type { VectorFile } from '../tools/vectors/fixed.ts'
import { recompute } from './recompute.ts'

const NAMES = readdirSync(VECTORS_FOLDER).filter((name) => name.endsWith('.json'))
const PROVIDERS = { noble, 'node:crypto where it has it': choosePrimitives().primitives }

function read(name: string): VectorFile {
  return JSON.parse(readFileSync(`${VECTORS_FOLDER}${name}`, 'utf8')) as VectorFile
}

for (const [provider, primitives] of Object.entries(PROVIDERS)) {
  test(`the committed vectors are what the library makes with ${provider}`, () => {
    const made = makeVectors(primitives)
    assert.deepEqual([...made.keys()].sort(), [...NAMES].sort())
    for (const [name, text] of made) {
      assert.ok(readFileSync(`${VECTORS_FOLDER}${name}`, 'utf8') === text, `${name} differs: run npm run vectors`)
    }
  })

  for (const name of NAMES) {
    test(`every vector of ${name} holds with ${provider}`, () => {
      for (const vector of read(name).vectors) {
        const said = recompute(vector, primitives)
        assert.ok(
          said !== undefined && Object.keys(said).length > 0,
          `${vector.name}: nothing is known of ${vector.kind}`,
        )
        for (const [field, value] of Object.entries(said)) {
          assert.deepEqual(value, vector[field], `${vector.name}: ${field}`)
        }
      }
    })
  }
}

test('names are kebab-case and unique over all files', () => {
  const names = NAMES.flatMap((name) => read(name).vectors.map((vector) => vector.name))
  for (const name of names) assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/)
  assert.equal(new Set(names).size, names.length)
})

test('the README explains every kind of vector', () => {
  const text = readFileSync(`${VECTORS_FOLDER}README.md`, 'utf8')
  const kinds = new Set(NAMES.flatMap((name) => read(name).vectors.map((vector) => vector.kind)))
  for (const kind of kinds) assert.ok(text.includes(`\`${kind}\``), kind)
})

test('every frame type and every verdict has a vector', () => {
  const frames = read('frames.json').vectors.filter((vector) => vector.kind === 'frame')
  const types = new Set(frames.map((vector) => vector.type))
  for (const type of [0, 1, 2, 3, 4, 5, 0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35]) {
    assert.ok(types.has(type), `frame type ${type}`)
  }
  const reasons = new Set(read('bundles.json').vectors.map((vector) => vector.reason))
  const expected = [
    'duplicate',
    'equivocation',
    'too-old',
    'unknown-version',
    'malformed',
    'bad-origin',
    'bad-signature',
  ]
  for (const reason of expected) assert.ok(reasons.has(reason), reason)
})
