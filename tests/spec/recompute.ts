// What the library makes of a vector's inputs: one function for each kind, whose result must equal what stands in the vector
// under the same names. It shares no code with the makers of the vectors but the reading of hex.

import { concatBytes, EMPTY, equalBytes, toHex, utf8 } from '../../lib/bytes.ts'
import type { Primitives } from '../../lib/crypto/primitives.ts'
import { decodeContent, encodeContent } from '../../lib/direct/content.ts'
import { Envelopes, HEADER_BYTES, readDirect, setHops } from '../../lib/direct/envelope.ts'
import { MeshError } from '../../lib/errors.ts'
import { readBundleHead, readBundleMessages } from '../../lib/flood/bundle.ts'
import { decodeMode } from '../../lib/flood/mode-frame.ts'
import { Router } from '../../lib/flood/router.ts'
import { Subscriptions } from '../../lib/flood/subscriptions.ts'
import { decodeCbor } from '../../lib/framing/cbor.ts'
import { FrameReader, FrameType } from '../../lib/framing/frames.ts'
import { decodeGoodbye } from '../../lib/framing/goodbye.ts'
import { RecordOpener, RecordReader } from '../../lib/framing/records.ts'
import { readVarint } from '../../lib/framing/varint.ts'
import { addressToBytes } from '../../lib/identity/address.ts'
import { Identities } from '../../lib/identity/identities.ts'
import { type KeyPair, keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import { type Network, networkOf } from '../../lib/identity/network.ts'
import { decodeNodeRecord } from '../../lib/identity/node-record.ts'
import { peerIdBytes, peerIdOf, publicKeyOfPeerId } from '../../lib/identity/peer-id.ts'
import { decodeAbout } from '../../lib/link/about.ts'
import { decodePeers } from '../../lib/link/opening.ts'
import { decodeNodePayload, encodeNodePayload } from '../../lib/members/node-payload.ts'
import { HandshakeState } from '../../lib/noise/handshake-state.ts'
import { decodeAccept, decodeEnd, decodeNumber, decodeOpen, readStream } from '../../lib/streams/messages.ts'
import { eagerParts, routerParts } from '../flood/router-parts.ts'
import { type Hex, packed, unpack, type Vector } from '../tools/vectors/fixed.ts'
import { CipherFrom } from '../tools/vectors/records.ts'
import { openingAdmits } from './opening-admits.ts'
import { repairMeaning } from './repair-meaning.ts'
import { isStreamFault } from './stream-judge.ts'

type Fields = Readonly<Record<string, unknown>>
type Recompute = (vector: Vector, primitives: Primitives) => Fields

/** What the library says, or undefined for a kind that has no function here. */
export function recompute(vector: Vector, primitives: Primitives): Fields | undefined {
  return KINDS[vector.kind]?.(vector, primitives)
}

function bytes(vector: Vector, field: string): Uint8Array {
  const value = vector[field]
  if (value === undefined) throw new Error(`${vector.name} has no field ${field}`)
  return unpack(value as Hex)
}

function keysOf(seed: Uint8Array, primitives: Primitives): KeyPair {
  return keyPairFromSeed(seed, new Identities(), primitives)
}

function networkWithId(id: Uint8Array, primitives: Primitives): Network {
  return { ...networkOf('x', null, primitives), id }
}

function envelopesOf(vector: Vector, keyPair: KeyPair, primitives: Primitives): Envelopes {
  const random = () => bytes(vector, 'ephemeral')
  return new Envelopes({
    keyPair,
    networkId: bytes(vector, 'networkId'),
    identities: new Identities(),
    primitives,
    random,
  })
}

/** The code of the remote fault that `action` throws; 'none' when it returns. Anything else is a bug. */
function errorOf(action: () => void): string {
  try {
    action()
    return 'none'
  } catch (error) {
    if (error instanceof MeshError && error.fault === 'remote') return error.code
    throw error
  }
}

function side(vector: Vector, primitives: Primitives, initiator: boolean): HandshakeState {
  const name = initiator ? 'dialer' : 'listener'
  const keys = keysOf(bytes(vector, `${name}Seed`), primitives)
  const ephemeral = bytes(vector, `${name}Ephemeral`)
  return new HandshakeState({
    pattern: 'XXpsk0',
    initiator,
    prologue: utf8('mesh/1\n'),
    primitives,
    random: () => ephemeral,
    s: { privateKey: keys.x25519PrivateKey, publicKey: keys.identity.x25519Key },
    psks: [bytes(vector, 'networkKey')],
  })
}

/** Record after record as the wire has them, opened under a key from a nonce on. */
function opened(wire: Uint8Array, opener: RecordOpener): Uint8Array[] {
  const reader = new RecordReader(65_535)
  reader.push(wire)
  const plains: Uint8Array[] = []
  for (let record = reader.next(); record !== null; record = reader.next()) plains.push(opener.open(record))
  if (reader.bufferedBytes > 0) throw new MeshError('bad-record', 'it ends inside a record')
  return plains
}

/** What the body of a link frame says, where its vectors tell it. */
function meaningOf(vector: Vector, type: number, body: Uint8Array, primitives: Primitives): Fields {
  const record = (record: Uint8Array) =>
    decodeNodeRecord(record, networkWithId(bytes(vector, 'networkId'), primitives), new Identities(), primitives)
  switch (type) {
    case FrameType.goodbye:
      return { ...decodeGoodbye(body) }
    case FrameType.peers:
      return { identities: decodePeers(body).map((one) => toHex(record(one).identity.publicKey)) }
    case FrameType.about: {
      const about = decodeAbout(body)
      if (about.record !== null) record(about.record)
      return { agent: about.agent, nodeName: about.name, hasRecord: about.record !== null, keep: about.keep }
    }
    case FrameType.have:
    case FrameType.want:
    case FrameType.given:
      return repairMeaning(vector, type, body, primitives)
    case FrameType.mode:
      return { ...decodeMode(body) }
    case FrameType.open:
      return { ...decodeOpen(body) }
    case FrameType.accept:
      return { ...decodeAccept(body) }
    case FrameType.data: {
      const { value: stream, next } = readStream(body)
      return { stream, data: toHex(body.subarray(next)) }
    }
    case FrameType.credit: {
      const { stream, value: credit } = decodeNumber(body)
      return { stream, credit }
    }
    case FrameType.reset: {
      const { stream, value: code } = decodeNumber(body)
      return { stream, code }
    }
    case FrameType.end:
      return { stream: decodeEnd(body) }
    default:
      return {}
  }
}

function judge(vector: Vector, primitives: Primitives): Fields {
  const rejected: string[] = []
  const router = new Router({
    primitives,
    networkId: bytes(vector, 'networkId'),
    identities: new Identities(),
    subscriptions: new Subscriptions(() => {}),
    ownOriginKey: '',
    nowMs: () => 0,
    actions: {
      rejected: (_link, reason) => rejected.push(reason),
      ownEpochMet: () => {},
      heard: () => {},
      retainedCame: () => {},
    },
    // A node that keeps bundles for as long as one may.
    ...routerParts(7 * 86_400_000),
  })
  const link = {
    key: 'neighbour',
    bundleBytes: 0,
    isStalled: false,
    offer: () => ({ peer: '', outcome: 'queued' as const }),
    foresee: () => ({ peer: '', outcome: 'queued' as const }),
    withdraw: () => {},
    sendNow: () => {},
    ...eagerParts('neighbour'),
  }
  for (const before of (vector.after as Hex[] | undefined) ?? []) router.received(link, unpack(before))
  const [accepted, duplicates] = [router.accepted, router.duplicates]
  router.received(link, bytes(vector, 'body'))
  if (router.accepted > accepted) return { verdict: 'accept', reason: null }
  if (router.duplicates > duplicates) return { verdict: 'ignore', reason: 'duplicate' }
  if (rejected.length > 0) return { verdict: 'reject', reason: rejected[0] }
  return { verdict: 'ignore', reason: Object.entries(router.ignored).find(([, count]) => count > 0)?.[0] }
}

const KINDS: Readonly<Record<string, Recompute>> = {
  'key-pair': (vector, primitives) => {
    const keys = keysOf(bytes(vector, 'seed'), primitives)
    const { publicKey, x25519Key } = keys.identity
    if (!equalBytes(primitives.x25519PublicKey(keys.x25519PrivateKey), x25519Key)) return {}
    if (!equalBytes(publicKeyOfPeerId(vector.peerId as string), publicKey)) return {}
    return {
      publicKey: toHex(publicKey),
      x25519PrivateKey: toHex(keys.x25519PrivateKey),
      x25519PublicKey: toHex(x25519Key),
      peerIdBytes: toHex(peerIdBytes(publicKey)),
      peerId: peerIdOf(publicKey),
    }
  },

  admission: (vector) => ({ admitted: new Identities().admit(bytes(vector, 'publicKey')) !== null }),

  signature: (vector, primitives) => {
    const [publicKey, message, signature] = ['publicKey', 'message', 'signature'].map((field) => bytes(vector, field))
    const admitted = new Identities().admit(publicKey!) !== null
    return { valid: admitted && primitives.ed25519Verify(publicKey!, message!, signature!) }
  },

  signed: (vector, primitives) => {
    const digest = primitives.sha256(bytes(vector, 'signedPart'))
    const message = concatBytes(utf8(vector.domain as string), bytes(vector, 'networkId'), digest)
    const signature = primitives.ed25519Signer(bytes(vector, 'seed')).sign(message)
    return { digest: toHex(digest), message: toHex(message), signature: toHex(signature) }
  },

  network: (vector, primitives) => {
    const secret = bytes(vector, 'secret')
    const network = networkOf(vector.networkName as string, secret.length === 0 ? null : secret, primitives)
    return { networkKey: toHex(network.psk), networkId: toHex(network.id), networkTag: network.tag }
  },

  handshake: (vector, primitives) => {
    const [dialer, listener] = [side(vector, primitives, true), side(vector, primitives, false)]
    const message1 = dialer.writeMessage(EMPTY)
    listener.readMessage(message1)
    const message2 = listener.writeMessage(bytes(vector, 'payload2'))
    dialer.readMessage(message2)
    const message3 = dialer.writeMessage(bytes(vector, 'payload3'))
    listener.readMessage(message3)
    const fromKey = (field: string): RecordOpener =>
      new RecordOpener(new CipherFrom(primitives, bytes(vector, field), 0))
    const [dialerRecord, listenerRecord] = [bytes(vector, 'dialerRecord'), bytes(vector, 'listenerRecord')]
    return {
      message1: toHex(message1),
      message2: toHex(message2),
      message3: toHex(message3),
      handshakeHash: toHex(listener.handshakeHash),
      dialerStatic: toHex(listener.remoteStatic!),
      listenerStatic: toHex(dialer.remoteStatic!),
      dialerPlain: toHex(opened(dialerRecord, new RecordOpener(listener.split().receive))[0]!),
      listenerPlain: toHex(opened(listenerRecord, fromKey('listenerKey'))[0]!),
      ...(equalBytes(opened(dialerRecord, fromKey('dialerKey'))[0]!, bytes(vector, 'dialerPlain'))
        ? {}
        : { dialerKey: null }),
    }
  },

  'handshake-refused': (vector, primitives) => ({
    error: errorOf(() => side(vector, primitives, false).readMessage(bytes(vector, 'message1'))),
  }),

  'handshake-payload': (vector, primitives) => {
    const keys = keysOf(bytes(vector, 'staticSeed'), primitives)
    return { accepted: openingAdmits(bytes(vector, 'payload'), keys, primitives) }
  },

  records: (vector, primitives) => {
    const cipher = new CipherFrom(primitives, bytes(vector, 'key'), vector.firstNonce as number)
    const opener = new RecordOpener(cipher)
    const records = (vector.records as { record: string }[]).map(({ record }) => ({
      nonce: cipher.nonce,
      plain: toHex(opened(unpack(record), opener)[0]!),
      record,
    }))
    return { records }
  },

  'record-refused': (vector, primitives) => {
    const cipher = new CipherFrom(primitives, bytes(vector, 'key'), vector.nonce as number)
    return { error: errorOf(() => opened(bytes(vector, 'record'), new RecordOpener(cipher))) }
  },

  varint: (vector) => {
    const encoded = bytes(vector, 'bytes')
    const read = readVarint(encoded, 0, encoded.length)
    return { value: read?.next === encoded.length ? read.value : null }
  },

  'varint-refused': (vector) => {
    const encoded = bytes(vector, 'bytes')
    return { error: errorOf(() => readVarint(encoded, 0, encoded.length)) }
  },

  cbor: (vector) => ({ error: errorOf(() => decodeCbor(bytes(vector, 'bytes'))) }),

  frame: (vector, primitives) => {
    const reader = new FrameReader()
    reader.push(bytes(vector, 'bytes'))
    const frame = reader.next()
    if (frame === null || reader.bufferedBytes > 0) return { type: null }
    const { type, known, length } = frame
    if (!known) return { type, known, length }
    if (!equalBytes(frame.body, bytes(vector, 'body'))) return { body: toHex(frame.body) }
    return { type, known, ...meaningOf(vector, type, frame.body, primitives) }
  },

  'frames-refused': (vector, primitives) => {
    const error = errorOf(() => {
      const reader = new FrameReader()
      reader.push(bytes(vector, 'bytes'))
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        meaningOf(vector, frame.type, frame.body, primitives)
        if (frame.type === FrameType.askPeers && typeof (decodeCbor(frame.body) as unknown[])[0] !== 'number') {
          throw new MeshError('bad-frame', 'how many is no number')
        }
      }
    })
    return { accepted: error === 'none' }
  },

  bundle: (vector, primitives) => {
    const head = readBundleHead(bytes(vector, 'body'), 0)!
    const { topics, payloads } = readBundleMessages(head)
    const { bundle } = head
    const messages = topics.map((topic, i) => ({
      topic,
      payload: bundle.sealed.subarray(payloads[2 * i]!, payloads[2 * i + 1]!),
    }))
    const given = vector.messages as { topic: string; payload: Hex }[]
    const same = messages.every(
      (one, i) => given[i]?.topic === one.topic && equalBytes(one.payload, unpack(given[i].payload)),
    )
    const id = peerIdOf(bundle.origin)
    return {
      hops: bundle.hops,
      ageMs: bundle.ageMs,
      epoch: bundle.epoch,
      first: bundle.first,
      sentAtMs: bundle.sentAtMs,
      flags: bundle.flags,
      timeToLiveS: bundle.timeToLiveS,
      messages: same && given.length === bundle.count ? vector.messages : messages,
      ids: messages.map((_, i) => `${id}/${bundle.epoch}/${bundle.first + i}`),
      signature: toHex(bundle.sealed.subarray(0, 64)),
      verdict: judge(vector, primitives).verdict,
    }
  },

  'bundle-judged': judge,

  'node-record': (vector, primitives) => {
    const network = networkWithId(bytes(vector, 'networkId'), primitives)
    const record = decodeNodeRecord(bytes(vector, 'record'), network, new Identities(), primitives)
    return {
      identity: toHex(record.identity.publicKey),
      issuedAtMs: record.issuedAtMs,
      kept: record.addresses.map((address) => toHex(addressToBytes(address))),
    }
  },

  'node-payload': (vector) => {
    const node = decodeNodePayload(bytes(vector, 'payload'))!
    const isOfThisVersion = vector.name.endsWith('full-house') || /^node-payload(-with-record)?$/.test(vector.name)
    return {
      nodeName: node.name,
      agent: node.agent,
      record: node.record === null ? null : toHex(node.record),
      neighbours: node.neighbours.map(toHex),
      startedAtMs: node.startedAtMs,
      neighbourCount: node.neighbourCount,
      ...(isOfThisVersion ? { payload: packed(encodeNodePayload(node)) } : {}),
    }
  },

  'node-payload-unread': (vector) => ({ read: decodeNodePayload(bytes(vector, 'payload')) !== null }),

  'node-record-read': (vector, primitives) => {
    const network = networkWithId(bytes(vector, 'networkId'), primitives)
    let kept: string[] = []
    const error = errorOf(() => {
      const record = decodeNodeRecord(bytes(vector, 'record'), network, new Identities(), primitives)
      kept = record.addresses.map((address) => toHex(addressToBytes(address)))
    })
    return error === 'none' ? { result: 'taken', kept } : { result: 'refused' }
  },

  'direct-content': (vector) => {
    const content = decodeContent(bytes(vector, 'plain'))!
    const { destinationEpoch, epoch, sequence, kind, answered, topic, payload } = content
    return {
      destinationEpoch,
      epoch,
      sequence,
      contentKind: kind,
      answered: answered === null ? null : [answered.epoch, answered.sequence],
      topic,
      payload: toHex(payload),
      ...(vector.name.endsWith('later-element') ? {} : { plain: toHex(encodeContent(content)) }),
    }
  },

  'direct-content-refused': (vector) => {
    let taken = false
    errorOf(() => {
      taken = decodeContent(bytes(vector, 'plain')) !== null
    })
    return { taken }
  },

  direct: (vector, primitives) => {
    const destination = keysOf(bytes(vector, 'destinationSeed'), primitives)
    const source = keysOf(bytes(vector, 'sourceSeed'), primitives)
    const body = envelopesOf(vector, source, primitives).seal(destination.identity, bytes(vector, 'plain'))
    setHops(body, vector.hops as number, vector.flooding as boolean)
    const frame = readDirect(body, 4_096)
    const opened = envelopesOf(vector, destination, primitives).open(frame)!
    if (!equalBytes(opened.source.publicKey, source.identity.publicKey)) return {}
    if (!equalBytes(opened.plain, bytes(vector, 'plain'))) return {}
    return {
      ...(vector.body === undefined ? {} : { body: toHex(body) }),
      hops: frame.hops,
      flooding: frame.flooding,
      bodyLength: body.length,
      bodySha256: toHex(primitives.sha256(body)),
      envelopeSha256: toHex(primitives.sha256(body.subarray(HEADER_BYTES))),
    }
  },

  'direct-unopened': (vector, primitives) => {
    const destination = keysOf(bytes(vector, 'destinationSeed'), primitives)
    const frame = readDirect(bytes(vector, 'body'), 4_096)
    return { opens: envelopesOf(vector, destination, primitives).open(frame) !== null }
  },

  'direct-refused': (vector) => ({ error: errorOf(() => readDirect(bytes(vector, 'body'), 4_096)) }),

  'stream-judged': (vector) => ({ fault: isStreamFault(vector) }),
}
