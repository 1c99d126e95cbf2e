// spec/meshd.cddl as far as it can be checked without a CDDL tool: its rules parse into balanced pieces, every name that is
// used is defined, and every rule is reached from `message`.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as limits from '../../lib/limits.ts'

const TEXT = readFileSync(new URL('../../spec/meshd.cddl', import.meta.url), 'utf8')
/** The prelude's types (RFC 8610, appendix D) that this protocol may use. */
const PRELUDE = ['any', 'bool', 'bstr', 'tstr', 'uint', 'null']

const PARTNER: Readonly<Record<string, string>> = { ']': '[', '}': '{', ')': '(' }

function rules(): ReadonlyMap<string, string> {
  const bare = TEXT.replace(/;.*$/gm, '')
  const starts = Array.from(bare.matchAll(/^([a-z][a-z0-9-]*) = /gm))
  const found = starts.map((start, i): [string, string] => {
    const end = starts[i + 1]?.index ?? bare.length
    return [start[1]!, bare.slice(start.index + start[0].length, end).trim()]
  })
  assert.equal(new Set(found.map(([name]) => name)).size, found.length, 'no rule twice')
  return new Map(found)
}

/** The names that a rule's right side uses; names of array elements (before a colon) and controls are not among them. */
function names(body: string): string[] {
  const values = body.replace(/\.[a-z]+/g, ' ').replace(/[a-z][a-z0-9-]*:(?=\s)/g, ' ')
  return values.match(/[a-z][a-z0-9-]*/g) ?? []
}

test('every rule of the CDDL has balanced brackets and no stray characters', () => {
  for (const [name, body] of rules()) {
    const open: string[] = []
    for (const character of body) {
      if ('[{('.includes(character)) open.push(character)
      else if (']})'.includes(character)) assert.equal(open.pop(), PARTNER[character], name)
      else assert.match(character, /[a-z0-9\s.,:*?/=>-]/, `${name} has ${JSON.stringify(character)}`)
    }
    assert.deepEqual(open, [], name)
  }
})

test('every name that the CDDL uses is defined, and every rule is part of a message', () => {
  const all = rules()
  const reached = new Set<string>()
  const visit = (name: string): void => {
    if (PRELUDE.includes(name) || reached.has(name)) return
    const body = all.get(name)
    assert.ok(body !== undefined, `${name} is used and not defined`)
    reached.add(name)
    for (const used of names(body)) visit(used)
  }
  visit('message')
  assert.deepEqual(
    [...all.keys()].filter((name) => !reached.has(name)),
    [],
  )
})

test('the bounds in the CDDL are those of the library', () => {
  const all = rules()
  const bound = (rule: string, pattern: RegExp): number => Number(pattern.exec(all.get(rule) ?? '')?.[1])
  assert.equal(bound('number', /^0\.\.(\d+)$/), limits.INTEGER_MAX)
  assert.equal(bound('short-text', /\.\.(\d+)\)/), limits.NAME_BYTES_MAX)
  assert.equal(bound('address', /\.\.(\d+)\)/), limits.ADDRESS_BYTES_MAX)
  assert.equal(bound('handshake-payload', /0\*(\d+) feature/), limits.FEATURES_MAX)
  assert.equal(bound('feature', /\.\.(\d+)\)/), limits.FEATURE_BYTES_MAX)
  assert.equal(bound('peers', /0\*(\d+) /), limits.PEERS_MAX)
  assert.equal(bound('node-record', /\.\.(\d+)\)/), limits.NODE_RECORD_BYTES_MAX)
  assert.equal(bound('node-record-signed-part', /0\*(\d+) address/), limits.LISTEN_ADDRESSES_MAX)
  assert.equal(bound('about', /5 => bstr \.size \(0\.\.(\d+)\)/), limits.CERTIFICATE_BYTES_MAX)
  assert.equal(bound('node-payload', /0\*(\d+) identity/), limits.NODE_NEIGHBOURS_MAX)
  assert.equal(bound('bundle-signed-part', /1\*(\d+) topic/), limits.BUNDLE_MESSAGES_MAX)
  assert.equal(bound('topic-and-payload', /payload: bstr \.size \(0\.\.(\d+)\)/), limits.PAYLOAD_BYTES_MAX)
  assert.equal(bound('origin-epochs', /0\*(\d+) /), limits.EPOCHS_PER_ORIGIN_MAX)
  assert.equal(bound('mode', /0\*(\d+) tree/), limits.MODE_TREES_MAX)
  assert.equal(bound('epoch-ranges', /0\*(\d+) /), limits.RANGES_PER_EPOCH_MAX)
  assert.equal(bound('topic', /\.\.(\d+)\)/), limits.TOPIC_BYTES_MAX)
  assert.equal(bound('direct-payload', /\.\.(\d+)\)/), limits.PAYLOAD_BYTES_MAX)
  assert.equal(bound('stream-open', /1\*(\d+) protocol-name/), limits.PROTOCOL_NAMES_MAX)
  assert.equal(bound('protocol-name', /\.\.(\d+)\)/), limits.PROTOCOL_NAME_BYTES_MAX)
})
