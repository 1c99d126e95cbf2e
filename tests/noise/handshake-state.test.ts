import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js'
import { EMPTY, equalBytes, fromHex, toHex, utf8 } from '../../lib/bytes.ts'
import { noble } from '../../lib/crypto/noble.ts'
import { MeshError } from '../../lib/errors.ts'
import { RECORD_BYTES_MAX } from '../../lib/limits.ts'
import { HandshakeState } from '../../lib/noise/handshake-state.ts'
import { PATTERN_NAMES, patternOf } from '../../lib/noise/patterns.ts'
import { seeded } from '../crypto/seeded.ts'
import { optionsOf, pairOf } from './pairs.ts'

/** Every pattern with every psk place alone, and XX and NN with all their places together. */
function allNames(): string[] {
  const names = PATTERN_NAMES.flatMap((name) => {
    const places = patternOf(name).messages.length + 1
    return [name, ...Array.from({ length: places }, (_, place) => `${name}psk${place}`)]
  })
  return [...names, 'XXpsk0+psk1+psk2+psk3', 'NNpsk0+psk2']
}

test('every pattern with every psk place finishes with equal hashes and working ciphers both ways', () => {
  for (const [seed, name] of allNames().entries()) {
    const [initiator, responder] = pairOf(name, seed + 1)
    const messages = patternOf(name).messages.length
    for (let i = 0; i < messages; i++) {
      const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator]
      const payload = utf8(`payload ${i}`)
      assert.deepEqual(reader.readMessage(writer.writeMessage(payload)), payload, name)
      assert.equal(writer.isFinished, i === messages - 1)
    }
    assert.deepEqual(initiator.handshakeHash, responder.handshakeHash)
    const [a, b] = [initiator.split(), responder.split()]
    assert.deepEqual(b.receive.decryptWithAd(EMPTY, a.send.encryptWithAd(EMPTY, utf8('there'))), utf8('there'))
    assert.deepEqual(a.receive.decryptWithAd(EMPTY, b.send.encryptWithAd(EMPTY, utf8('back'))), utf8('back'))
    assert.equal(toHex(a.send.encryptWithAd(EMPTY, EMPTY)) === toHex(b.send.encryptWithAd(EMPTY, EMPTY)), false)
  }
})

test('a failed read changes nothing: the right message is still read after every wrong one', () => {
  const random = seeded(51)
  for (const [seed, name] of ['NN', 'KK', 'XX', 'IK', 'X', 'XXpsk0', 'XXpsk3', 'IKpsk1+psk2', 'I1X1'].entries()) {
    const [initiator, responder] = pairOf(name, seed + 100)
    const messages = patternOf(name).messages.length
    for (let i = 0; i < messages; i++) {
      const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator]
      const message = writer.writeMessage(utf8('payload'))
      const wrong: Uint8Array[] = []
      // Cut anywhere, the last byte included, it is refused or, while nothing is sealed yet, read as a shorter payload.
      const sealedFrom = firstSealed(name, i)
      for (let length = 0; length < Math.min(message.length, sealedFrom + 1000); length++) {
        if (length < 32 || sealedFrom < message.length) wrong.push(message.subarray(0, length))
      }
      for (let times = 0; times < 40; times++) {
        const bent = message.slice()
        // Without a sealed part, a bent ephemeral key shows only in the next message.
        if (sealedFrom >= message.length) break
        bent[random.below(bent.length)]! ^= 1 << random.below(8)
        // X25519 ignores the highest bit of a key, but the transcript does not: this must not open either.
        wrong.push(bent)
      }
      wrong.push(new Uint8Array(RECORD_BYTES_MAX + 1))
      const hash = reader.handshakeHash
      for (const bytes of wrong) {
        assert.throws(() => reader.readMessage(bytes), { code: 'bad-handshake', fault: 'remote' }, `${name} ${i}`)
        assert.deepEqual(reader.handshakeHash, hash)
        assert.equal(reader.isFinished, false)
      }
      assert.deepEqual(reader.readMessage(message), utf8('payload'))
    }
    assert.equal(responder.isFinished && initiator.isFinished, true)
  }
})

/** Offset of the first sealed byte of message `index`, or infinity when the message has none. */
function firstSealed(name: string, index: number): number {
  const { messages, psks } = patternOf(name)
  let hasKey = false
  for (const [i, tokens] of messages.entries()) {
    let at = 0
    for (const token of tokens) {
      if (i === index && hasKey && token !== 'e') return at
      if (token === 'e') at += 32
      if (token === 's') at += 32
      if (token.length > 1 || (token === 'e' && psks > 0)) hasKey = true
    }
    if (i === index) return hasKey ? at : Number.POSITIVE_INFINITY
  }
  return Number.POSITIVE_INFINITY
}

test('any bytes give a payload or a bad-handshake error, at every message, and nothing else', () => {
  const random = seeded(52)
  for (const name of ['XXpsk0', 'XX', 'NN', 'IK', 'X']) {
    for (let target = 0; target < patternOf(name).messages.length; target++) {
      for (let round = 0; round < 60; round++) {
        const [initiator, responder] = pairOf(name, 1000 + round)
        for (let i = 0; i < target; i++) {
          const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator]
          reader.readMessage(writer.writeMessage(EMPTY))
        }
        const reader = target % 2 === 0 ? responder : initiator
        try {
          assert.ok(reader.readMessage(random.bytes(random.below(300))) instanceof Uint8Array)
        } catch (error) {
          assert.ok(error instanceof MeshError && error.code === 'bad-handshake', String(error))
        }
      }
    }
  }
})

test('a stranger without the psk fails on the first message', () => {
  const [options] = optionsOf('XXpsk0', 61)
  const [, responder] = pairOf('XXpsk0', 61)
  const stranger = new HandshakeState({ ...options, psks: [new Uint8Array(32)] })
  assert.throws(() => responder.readMessage(stranger.writeMessage(EMPTY)), { code: 'bad-handshake' })
})

test('another prologue fails', () => {
  const [options] = optionsOf('XXpsk0', 62)
  const [, responder] = pairOf('XXpsk0', 62)
  const other = new HandshakeState({ ...options, prologue: utf8('another') })
  assert.throws(() => responder.readMessage(other.writeMessage(EMPTY)), { code: 'bad-handshake' })
})

test('a public key of low order is refused on reading and on writing', () => {
  // The Montgomery u of the points of small order, and two that are not reduced modulo p.
  const lowOrder = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ]
  assert.equal(ED25519_TORSION_SUBGROUP.length, 8)
  for (const hex of lowOrder) {
    const [, responder] = pairOf('NN', 63)
    responder.readMessage(fromHex(hex))
    const before = responder.handshakeHash
    assert.throws(() => responder.writeMessage(EMPTY), { code: 'bad-handshake' }, hex)
    assert.deepEqual(responder.handshakeHash, before)
    const [initiator] = pairOf('NN', 63)
    initiator.writeMessage(EMPTY)
    assert.throws(() => initiator.readMessage(fromHex(hex + '00'.repeat(16))), { code: 'bad-handshake' }, hex)
  }
})

test('a message of 65,535 bytes is the longest, one byte more is refused on both sides', () => {
  const [initiator, responder] = pairOf('XXpsk0', 64)
  // 32 bytes of ephemeral key and a tag come to the payload.
  const longest = new Uint8Array(RECORD_BYTES_MAX - 48)
  assert.throws(() => initiator.writeMessage(new Uint8Array(longest.length + 1)), { code: 'too-large', fault: 'local' })
  const message = initiator.writeMessage(longest)
  assert.equal(message.length, RECORD_BYTES_MAX)
  assert.throws(() => responder.readMessage(new Uint8Array(RECORD_BYTES_MAX + 1)), { code: 'bad-handshake' })
  assert.deepEqual(responder.readMessage(message), longest)
})

test('speaking out of turn, after the end, or splitting before it, is our own mistake and changes nothing', () => {
  const [initiator, responder] = pairOf('NN', 65)
  const mistake = (error: unknown): boolean => error instanceof Error && !(error instanceof MeshError)
  assert.throws(() => initiator.readMessage(EMPTY), mistake)
  assert.throws(() => responder.writeMessage(EMPTY), mistake)
  assert.throws(() => initiator.split(), mistake)
  responder.readMessage(initiator.writeMessage(EMPTY))
  initiator.readMessage(responder.writeMessage(EMPTY))
  assert.throws(() => initiator.writeMessage(EMPTY), mistake)
  assert.throws(() => responder.readMessage(EMPTY), mistake)
  assert.deepEqual(initiator.handshakeHash, responder.handshakeHash)
})

test('keys that a pattern needs from the start must be there, with the right lengths', () => {
  const [options] = optionsOf('XXpsk0', 66)
  assert.throws(() => new HandshakeState({ ...options, psks: [] }), TypeError)
  assert.throws(() => new HandshakeState({ ...options, psks: [new Uint8Array(31)] }), TypeError)
  assert.throws(() => new HandshakeState({ ...options, pattern: 'IK', psks: [] }), TypeError)
  assert.throws(() => new HandshakeState({ ...options, pattern: 'IK', psks: [], rs: new Uint8Array(33) }), TypeError)
  const { s: _, ...without } = options
  assert.throws(() => new HandshakeState({ ...without, pattern: 'KN', psks: [] }), TypeError)
  const unable = new HandshakeState({
    ...without,
    pattern: 'X',
    psks: [],
    rs: noble.x25519PublicKey(new Uint8Array(32).fill(1)),
  })
  assert.throws(() => unable.writeMessage(EMPTY), TypeError)
})

test('unknown patterns and modifiers are refused', () => {
  for (const name of [
    '',
    'XY',
    'xx',
    'XXpsk4',
    'XXpsk',
    'XX+psk0',
    'XXpsk0psk1',
    'XXpsk0+',
    'Npsk2',
    'toString',
    'XXfallback',
  ]) {
    assert.throws(() => patternOf(name), TypeError, name)
  }
})

test('each handshake has ephemeral keys of its own', () => {
  const [options] = optionsOf('XX', 67)
  const keys = Array.from({ length: 20 }, () => toHex(new HandshakeState(options).writeMessage(EMPTY).slice(0, 32)))
  assert.equal(new Set(keys).size, 20)
})

test('what is handed out is not the state itself', () => {
  const [initiator, responder] = pairOf('XXpsk0', 68)
  const hash = initiator.handshakeHash
  initiator.handshakeHash.fill(0)
  assert.deepEqual(initiator.handshakeHash, hash)
  const message = initiator.writeMessage(EMPTY)
  const kept = message.slice()
  responder.readMessage(message)
  message.fill(0)
  const answer = responder.writeMessage(utf8('hello'))
  assert.deepEqual(initiator.readMessage(answer), utf8('hello'))
  assert.equal(equalBytes(kept, message), false)
})

test('a handshake made like another that has not begun says and reads the same, for every pattern', () => {
  for (const pattern of ['XX', 'XXpsk0', 'IKpsk1', 'KK', 'NNpsk0+psk2', 'X']) {
    const transcripts = [false, true].map((isLike) => {
      const [a, b] = optionsOf(pattern, 77)
      const random = seeded(5)
      const [alice, bob] = [a, b].map((options) => {
        const own = { ...options, random: (length: number) => random.bytes(length) }
        return isLike ? new HandshakeState(own, new HandshakeState(own)) : new HandshakeState(own)
      }) as [HandshakeState, HandshakeState]
      const messages: string[] = []
      for (let turn = 0; !alice.isFinished; turn++) {
        const [writer, reader] = turn % 2 === 0 ? [alice, bob] : [bob, alice]
        const message = writer.writeMessage(utf8(`payload ${turn}`))
        assert.deepEqual(reader.readMessage(message), utf8(`payload ${turn}`))
        messages.push(toHex(message))
      }
      assert.deepEqual(alice.handshakeHash, bob.handshakeHash)
      return messages
    })
    assert.deepEqual(transcripts[0], transcripts[1], pattern)
  }
})

test('many handshakes made like one have keys of their own, and do not touch each other', () => {
  const [a, b] = optionsOf('XXpsk0', 78)
  const [dialler, listener] = [new HandshakeState(a), new HandshakeState(b)]
  const firsts = new Set<string>()
  for (let round = 0; round < 5; round++) {
    const alice = new HandshakeState(a, dialler)
    const bob = new HandshakeState(b, listener)
    const first = alice.writeMessage(EMPTY)
    firsts.add(toHex(first))
    bob.readMessage(first)
    alice.readMessage(bob.writeMessage(EMPTY))
    bob.readMessage(alice.writeMessage(EMPTY))
    assert.deepEqual(alice.handshakeHash, bob.handshakeHash)
  }
  assert.equal(firsts.size, 5)
  assert.equal(dialler.isFinished || listener.isFinished, false)
})
