import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex, utf8 } from '../../lib/bytes.ts'
import { PREAMBLE, SNIFF_HANDLERS_MAX, Sniffer } from '../../lib/link/preamble.ts'

const nothing = (): void => {}

test('the preamble is that of the protocol document', () => {
  assert.equal(toHex(PREAMBLE), '6d6573682f310a')
})

test('every true beginning of the preamble waits for more, and the first wrong byte does not', () => {
  const sniffer = new Sniffer()
  for (let length = 0; length < PREAMBLE.length; length++) {
    assert.equal(sniffer.look(PREAMBLE.subarray(0, length)), 'more')
    const wrong = Uint8Array.from([...PREAMBLE.subarray(0, length), PREAMBLE[length]! ^ 1])
    assert.equal(sniffer.look(wrong), 'unknown')
  }
  assert.equal(sniffer.look(PREAMBLE), 'mesh')
  assert.equal(sniffer.look(utf8('mesh/1\nand more')), 'mesh')
  assert.equal(sniffer.look(utf8('mesh/2\n')), 'unknown')
})

test('a registered prefix gets its connections until it is taken back', () => {
  const sniffer = new Sniffer()
  const takeBack = sniffer.register(utf8('GET '), nothing)
  assert.equal(sniffer.look(utf8('GE')), 'more')
  assert.equal(sniffer.look(utf8('GET ')), nothing)
  assert.equal(sniffer.look(utf8('GET / HTTP/1.1')), nothing)
  assert.equal(sniffer.look(utf8('GOT')), 'unknown')
  takeBack()
  assert.equal(sniffer.look(utf8('GET ')), 'unknown')
  takeBack()
})

test('taking a prefix back twice does not touch who registered it in between', () => {
  const sniffer = new Sniffer()
  const takeBack = sniffer.register(utf8('GET '), nothing)
  takeBack()
  const later = (): void => {}
  sniffer.register(utf8('GET '), later)
  takeBack()
  assert.equal(sniffer.look(utf8('GET ')), later)
})

test('prefixes that cannot be told apart are refused, those of the mesh too', () => {
  const sniffer = new Sniffer()
  sniffer.register(utf8('GET '), nothing)
  for (const prefix of ['GET ', 'G', 'GET /', 'm', 'mesh/1\n', 'mesh/1\nx']) {
    assert.throws(() => sniffer.register(utf8(prefix), nothing), { code: 'already-registered' })
  }
  sniffer.register(utf8('mesh/2\n'), nothing)
})

test('the bounds on prefixes hold at their value and not one further', () => {
  const sniffer = new Sniffer()
  assert.throws(() => sniffer.register(new Uint8Array(0), nothing), { code: 'bad-argument' })
  assert.throws(() => sniffer.register(new Uint8Array(65), nothing), { code: 'bad-argument' })
  sniffer.register(new Uint8Array(64), nothing)
  for (let i = 1; i < SNIFF_HANDLERS_MAX; i++) sniffer.register(Uint8Array.of(1, i), nothing)
  assert.throws(() => sniffer.register(Uint8Array.of(2), nothing), { code: 'too-large' })
})

test('a prefix is the caller’s to change after it was registered', () => {
  const sniffer = new Sniffer()
  const prefix = utf8('GET ')
  sniffer.register(prefix, nothing)
  prefix.fill(0)
  assert.equal(sniffer.look(utf8('GET ')), nothing)
})
