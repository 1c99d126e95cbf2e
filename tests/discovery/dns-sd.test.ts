// The records of discovery: what is read from others', and what counts as known.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base32 } from 'multiformats/bases/base32'
import { concatBytes, utf8 } from '../../lib/bytes.ts'
import { isInstance, isKnown, readService, readText, recordsOf, sameName } from '../../lib/discovery/dns-sd.ts'
import { peerIdBytes, peerIdOf } from '../../lib/identity/peer-id.ts'

const key = new Uint8Array(32).fill(9)
const id = peerIdOf(key)
const networkTag = '0123456789abcdef'

test('a text record is read from byte strings or texts, in any order, with keys in any case and others beside them', () => {
  const expected = { peer: id, networkTag }
  const texts = ['other', '=x', `NET=${networkTag}`, 'v=1', `Id=${id}`, 'id=later', 'v=2']
  assert.deepEqual(readText(texts), expected)
  assert.deepEqual(readText(texts.map(utf8)), expected)
})

test('a peer id in its CID form is reported in the usual one', () => {
  const cid = base32.encode(concatBytes(Uint8Array.of(1, 0x72), peerIdBytes(key)))
  assert.equal(readText([`id=${cid}`, `net=${networkTag}`, 'v=1'])?.peer, id)
})

test('only the first 16 texts are looked at', () => {
  const texts = [`id=${id}`, `net=${networkTag}`, 'v=1']
  assert.notEqual(readText([...Array(13).fill('x=y'), ...texts]), null)
  assert.equal(readText([...Array(14).fill('x=y'), ...texts]), null)
})

test('ports from 1 to 65535 are read, others are not', () => {
  for (const port of [1, 65_535]) assert.deepEqual(readService({ port, target: 'x' }), { port, target: 'x' })
  for (const port of [0, 65_536, -1, 1.5, Number.NaN, '1', null]) assert.equal(readService({ port, target: 'x' }), null)
})

test('a record is known when name, type and data are the same and half of its life is left', () => {
  const own = { peerId: id, networkTag, label: 'label', port: 7 }
  const eth0 = { interfaceName: 'eth0', internal: false, scope: 0 }
  const sets = recordsOf(own, [
    { ...eth0, host: '10.0.0.1', family: 'ip4', prefixLength: 24 },
    { ...eth0, host: 'fd00::1', family: 'ip6', prefixLength: 64 },
  ])
  for (const ours of Object.values(sets).flat()) {
    const known = structuredClone(ours)
    assert.equal(isKnown(ours, known), true)
    assert.equal(isKnown(ours, { ...known, name: known.name.toUpperCase() }), true)
    assert.equal(isKnown(ours, { ...known, ttl: known.ttl! / 2 - 1 }), false)
    assert.equal(isKnown(ours, { ...known, name: 'other' }), false)
    assert.equal(isKnown(ours, { ...known, type: 'NULL' }), false)
    for (const data of [null, undefined, 7, 'other', {}, [], { port: 7, target: 'other' }, ['v=1'], [7]]) {
      assert.equal(isKnown(ours, { ...known, data }), false)
    }
  }
  const ip6 = sets.address[1]!
  assert.equal(isKnown(ip6, { ...ip6, data: 'FD00:0:0::1' }), true)
  const text = sets.text[0]!
  assert.equal(isKnown(text, { ...text, data: (text.data as string[]).map(utf8) }), true)
})

test('names compare without regard to case', () => {
  assert.equal(sameName('_Meshd._TCP.local', '_meshd._tcp.LOCAL'), true)
  assert.equal(sameName('a.local', 'b.local'), false)
})

test('an instance is one label that can be written as it was read', () => {
  for (const label of ['BdfeSB12', 'x', 'some name.with dots', 'ä'.repeat(31), 'X'.repeat(63), '\ufffd'.repeat(21)]) {
    assert.ok(isInstance(`${label}._meshd._tcp.local`), label)
    assert.ok(isInstance(`${label}._MESHD._tcp.Local`), label)
  }
  // The last one is what becomes of 22 bytes that are no UTF-8.
  for (const label of ['', '.', 'a..b', '.a', 'a.', '..a', 'X'.repeat(64), 'ä'.repeat(32), '\ufffd'.repeat(22)]) {
    assert.ok(!isInstance(`${label}._meshd._tcp.local`), label)
  }
  for (const name of ['', '_meshd._tcp.local', 'x_meshd._tcp.local', 'x._other._tcp.local', 'x._meshd._tcp.local.']) {
    assert.ok(!isInstance(name), name)
  }
})
