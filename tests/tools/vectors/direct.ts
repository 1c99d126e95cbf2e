// spec/vectors/direct.json: contents, envelopes with fixed keys, and bodies that are provably wrong. docs/protocol.md
// section 9.

import { concatBytes, EMPTY, toHex, utf8 } from '../../../lib/bytes.ts'
import { type Content, encodeContent, Kind, Trouble } from '../../../lib/direct/content.ts'
import { Envelopes, HEADER_BYTES, setHops } from '../../../lib/direct/envelope.ts'
import { type CborInput, encodeCbor } from '../../../lib/framing/cbor.ts'
import { type Cast, counting, EPOCH, packed, type Vector, type VectorFile } from './fixed.ts'

export function directVectors(cast: Cast): VectorFile {
  return {
    about:
      'Contents of envelopes; bodies of direct frames with every key that made them; bodies that do not open, and bodies that no ' +
      'honest node makes or passes on.',
    vectors: [...contents(), ...refusedContents(), ...sealed(cast), ...unopened(cast), ...refused(cast)],
  }
}

/** The epoch of the run that writes, and of the one that is written to. */
const [OURS, THEIRS] = [EPOCH, EPOCH + 77 * 2 ** 20]
const BLANK: Content = {
  destinationEpoch: 0,
  epoch: OURS,
  sequence: 0,
  kind: Kind.message,
  answered: null,
  topic: '',
  payload: EMPTY,
}
const HELLO: Content = { ...BLANK, destinationEpoch: THEIRS, sequence: 7, topic: 'chat', payload: utf8('hello') }
const ANSWERED = { epoch: THEIRS, sequence: 3 }

function contents(): Vector[] {
  const cases: [string, Content][] = [
    ['message', HELLO],
    ['acknowledgement', { ...BLANK, kind: Kind.acknowledgement, answered: ANSWERED }],
    ['request', { ...HELLO, kind: Kind.request, topic: 'time', payload: EMPTY }],
    ['reply', { ...HELLO, kind: Kind.reply, answered: ANSWERED, topic: '', payload: utf8('noon') }],
    [
      'reply-failed',
      { ...HELLO, kind: Kind.reply, answered: ANSWERED, topic: Trouble.failed, payload: utf8('no clock') },
    ],
    ['error-epoch', { ...BLANK, kind: Kind.error, answered: ANSWERED, topic: Trouble.epoch }],
    ['error-unreachable', { ...BLANK, kind: Kind.error, topic: Trouble.unreachable, payload: counting(0x60) }],
    ['question', { ...BLANK, kind: Kind.question, sequence: 2 }],
    ['answer', { ...BLANK, kind: Kind.answer, answered: { epoch: THEIRS, sequence: 2 } }],
  ]
  const vectors = cases.map(([name, content]) =>
    contentVector(`direct-content-${name}`, content, encodeContent(content)),
  )
  const later = concatBytes(Uint8Array.of(0x88), encodeContent(HELLO).subarray(1), encodeCbor(['later']))
  return [...vectors, contentVector('direct-content-with-a-later-element', HELLO, later)]
}

function contentVector(name: string, content: Content, plain: Uint8Array): Vector {
  const { destinationEpoch, epoch, sequence, kind, answered, topic, payload } = content
  return {
    name,
    kind: 'direct-content',
    plain: toHex(plain),
    destinationEpoch,
    epoch,
    sequence,
    contentKind: kind,
    answered: answered === null ? null : [answered.epoch, answered.sequence],
    topic,
    payload: toHex(payload),
  }
}

function refusedContents(): Vector[] {
  const good: CborInput[] = [THEIRS, OURS, 7, 0, null, 'chat', utf8('hello')]
  const changed = (place: number, element: CborInput): Uint8Array =>
    encodeCbor(good.map((old, i) => (i === place ? element : old)))
  const cases: [string, Uint8Array][] = [
    ['too-few-elements', encodeCbor(good.slice(0, 6))],
    ['epoch-as-text', changed(1, '5')],
    ['message-without-topic', changed(5, '')],
    ['message-with-wildcard', changed(5, 'a/#')],
    ['message-that-answers', changed(4, [1, 2])],
    ['topic-of-256-bytes', changed(5, 't'.repeat(256))],
    ['payload-as-text', changed(6, 'hello')],
    ['acknowledgement-of-nothing', changed(3, 1)],
    ['reply-to-half-a-number', encodeCbor([THEIRS, OURS, 7, 3, [1], '', EMPTY])],
    ['error-about-nothing', encodeCbor([0, OURS, 0, 4, null, 'epoch', EMPTY])],
    ['unreachable-with-31-bytes', encodeCbor([0, OURS, 0, 4, null, 'unreachable', counting(0, 31)])],
    ['byte-too-many', concatBytes(encodeCbor(good), Uint8Array.of(0))],
    ['unknown-kind', changed(3, 99)],
  ]
  return cases.map(([name, plain]) => ({
    name: `direct-content-refused-${name}`,
    kind: 'direct-content-refused',
    plain: toHex(plain),
    taken: false,
  }))
}

function body(cast: Cast, plain: Uint8Array, network = cast.open): Uint8Array {
  const { dialer, listener, identities, primitives, dialerEphemeral } = cast
  const options = { keyPair: dialer, networkId: network.id, identities, primitives, random: () => dialerEphemeral }
  return new Envelopes(options).seal(listener.identity, plain)
}

function sealed(cast: Cast): Vector[] {
  const vector = (name: string, plain: Uint8Array, hops: number, flooding: boolean, network = cast.open): Vector => {
    const made = body(cast, plain, network)
    setHops(made, hops, flooding)
    const isShown = made.length < 4_096
    return {
      name,
      kind: 'direct',
      networkId: toHex(network.id),
      sourceSeed: toHex(cast.dialer.seed),
      destinationSeed: toHex(cast.listener.seed),
      ephemeral: toHex(cast.dialerEphemeral),
      hops,
      flooding,
      plain: packed(plain),
      ...(isShown ? { body: toHex(made) } : {}),
      bodyLength: made.length,
      bodySha256: toHex(cast.primitives.sha256(made)),
      envelopeSha256: toHex(cast.primitives.sha256(made.subarray(HEADER_BYTES))),
    }
  }
  const large = (length: number): Uint8Array => encodeContent({ ...HELLO, payload: new Uint8Array(length) })
  return [
    vector('direct-message', encodeContent(HELLO), 1, false),
    vector('direct-message-that-floods', encodeContent(HELLO), 5, true),
    vector(
      'direct-question-in-a-private-network',
      encodeContent({ ...BLANK, kind: Kind.question }),
      1,
      false,
      cast.lab,
    ),
    vector('direct-of-two-sealed-messages', large(65_519), 1, false),
    vector('direct-of-1-mib', large(1_048_576), 32, false),
  ]
}

function unopened(cast: Cast): Vector[] {
  const good = body(cast, encodeContent(HELLO))
  const flipped = (at: number): Uint8Array => {
    const changed = good.slice()
    changed[at] = changed[at]! ^ 1
    return changed
  }
  const otherSource = good.slice()
  otherSource.set(cast.third.identity.publicKey, 32)
  const cases: [string, Uint8Array][] = [
    ['flipped-ephemeral', flipped(HEADER_BYTES)],
    ['flipped-static', flipped(HEADER_BYTES + 40)],
    ['flipped-tag', flipped(good.length - 1)],
    ['another-source', otherSource],
    ['another-network', body(cast, encodeContent(HELLO), cast.lab)],
  ]
  return cases.map(([name, changed]) => ({
    name: `direct-unopened-${name}`,
    kind: 'direct-unopened',
    networkId: toHex(cast.open.id),
    destinationSeed: toHex(cast.listener.seed),
    body: toHex(changed),
    opens: false,
  }))
}

function refused(cast: Cast): Vector[] {
  const good = body(cast, encodeContent(HELLO))
  const withHops = (value: number): Uint8Array => {
    const changed = good.slice()
    changed[64] = value
    return changed
  }
  const chunk = (length: number): Uint8Array => concatBytes(Uint8Array.of(length >>> 8, length), new Uint8Array(length))
  const start = good.subarray(0, HEADER_BYTES + 96)
  const toItself = good.slice()
  toItself.set(toItself.subarray(0, 32), 32)
  const flooding = concatBytes(start, chunk(3_999))
  flooding[64] = 0x81
  const cases: [string, Uint8Array][] = [
    ['empty', EMPTY],
    ['header-cut-short', good.subarray(0, 64)],
    ['hops-0', withHops(0)],
    ['hops-33', withHops(33)],
    ['to-itself', toItself],
    ['x-message-cut-short', good.subarray(0, HEADER_BYTES + 95)],
    ['without-sealed-message', start],
    ['length-cut-short', concatBytes(start, Uint8Array.of(0))],
    ['sealed-message-cut-short', good.subarray(0, -1)],
    ['byte-too-many', concatBytes(good, Uint8Array.of(0))],
    ['empty-sealed-message', concatBytes(start, chunk(16))],
    ['short-message-before-the-last', concatBytes(start, chunk(100), chunk(100))],
    ['floods-with-4097-bytes', flooding],
  ]
  return cases.map(([name, bytes]) => ({
    name: `direct-refused-${name}`,
    kind: 'direct-refused',
    body: packed(bytes),
    error: 'bad-direct',
  }))
}
