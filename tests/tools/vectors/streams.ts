// The frames of streams, for spec/vectors/frames.json, and spec/vectors/streams.json: what a receiver makes of a frame after
// others. docs/protocol.md section 10.

import { concatBytes, toHex, utf8 } from '../../../lib/bytes.ts'
import { encodeCbor } from '../../../lib/framing/cbor.ts'
import { encodeFrame, FrameType } from '../../../lib/framing/frames.ts'
import { encodeAccept, encodeOpen, varints } from '../../../lib/streams/messages.ts'
import { packed, type VectorFile } from './fixed.ts'

const MOST = Number.MAX_SAFE_INTEGER
const CREDIT = 262_144

/** Name, type, body, and what the body says. */
export function streamFrames(): [string, number, Uint8Array, object][] {
  const { open, accept, data, credit, end, reset } = FrameType
  const names = ['/files/2', '/files/1']
  const longest = Array.from({ length: 16 }, (_, i) => `${i}`.padStart(64, '/'))
  return [
    ['frame-open', open, encodeOpen({ stream: 1, names, credit: CREDIT }), { stream: 1, names, credit: CREDIT }],
    [
      'frame-open-of-the-most-and-longest-names',
      open,
      encodeOpen({ stream: MOST, names: longest, credit: MOST }),
      { stream: MOST, names: longest, credit: MOST },
    ],
    [
      'frame-open-of-a-later-version',
      open,
      concatBytes(varints(2), encodeCbor([['ä'], 0, 'more'])),
      { stream: 2, names: ['ä'], credit: 0 },
    ],
    [
      'frame-accept',
      accept,
      encodeAccept({ stream: 1, index: 0, credit: CREDIT }),
      { stream: 1, index: 0, credit: CREDIT },
    ],
    [
      'frame-accept-of-a-later-version',
      accept,
      concatBytes(varints(300), encodeCbor([15, 1, null])),
      { stream: 300, index: 15, credit: 1 },
    ],
    ['frame-data', data, concatBytes(varints(1), utf8('some bytes')), { stream: 1, data: toHex(utf8('some bytes')) }],
    ['frame-data-of-no-bytes', data, varints(300), { stream: 300, data: '' }],
    ['frame-credit', credit, varints(1, 65_536), { stream: 1, credit: 65_536 }],
    ['frame-credit-largest', credit, varints(MOST, MOST), { stream: MOST, credit: MOST }],
    ['frame-end', end, varints(1), { stream: 1 }],
    ['frame-reset', reset, varints(300, 3), { stream: 300, code: 3 }],
    ['frame-reset-of-a-program', reset, varints(2, 99), { stream: 2, code: 99 }],
  ]
}

/** Frames that are a fault whatever went before. */
export function refusedStreamFrames(): [string, Uint8Array][] {
  const { open, accept, data, credit, end, reset } = FrameType
  const openWith = (content: Parameters<typeof encodeCbor>[0]): Uint8Array =>
    encodeFrame(open, concatBytes(varints(1), encodeCbor(content)))
  return [
    ['open-of-stream-0', encodeFrame(open, concatBytes(Uint8Array.of(0), encodeCbor([['x'], 0])))],
    ['open-without-names', openWith([[], 0])],
    ['open-with-17-names', openWith([Array.from({ length: 17 }, () => 'x'), 0])],
    ['open-with-an-empty-name', openWith([['x', ''], 0])],
    ['open-with-a-name-of-65-bytes', openWith([['x'.repeat(65)], 0])],
    ['open-with-a-name-of-bytes', openWith([[utf8('x')], 0])],
    ['open-without-credit', openWith([['x']])],
    ['open-with-a-byte-too-many', encodeFrame(open, concatBytes(varints(1), encodeCbor([['x'], 0]), Uint8Array.of(0)))],
    ['accept-without-credit', encodeFrame(accept, concatBytes(varints(1), encodeCbor([0])))],
    ['accept-by-name', encodeFrame(accept, concatBytes(varints(1), encodeCbor(['/files/1', 0])))],
    ['data-of-stream-0', encodeFrame(data, Uint8Array.of(0, 1))],
    ['data-without-a-number', encodeFrame(data, new Uint8Array(0))],
    ['data-with-an-overlong-number', encodeFrame(data, Uint8Array.of(0x81, 0x00))],
    ['credit-without-bytes', encodeFrame(credit, varints(1))],
    ['credit-above-53-bits', encodeFrame(credit, Uint8Array.of(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10))],
    ['credit-with-a-byte-too-many', encodeFrame(credit, varints(1, 1, 0))],
    ['end-with-a-byte-too-many', encodeFrame(end, varints(1, 0))],
    ['reset-without-a-code', encodeFrame(reset, varints(1))],
    ['reset-with-a-byte-too-many', encodeFrame(reset, varints(1, 0, 0))],
  ]
}

interface Judged {
  readonly name: string
  readonly receiver?: 'dialer' | 'listener'
  /** Streams that the receiver opens before all, with these names. */
  readonly opens?: readonly (readonly string[])[]
  readonly before?: readonly Uint8Array[]
  readonly frame: Uint8Array
  readonly fault: boolean
}

export function streamVectors(): VectorFile {
  const open = (stream: number, credit = 0, names = ['/x/1']): Uint8Array =>
    encodeFrame(FrameType.open, encodeOpen({ stream, names, credit }))
  const accept = (stream: number, index = 0): Uint8Array =>
    encodeFrame(FrameType.accept, encodeAccept({ stream, index, credit: 10 }))
  const data = (stream: number, length: number): Uint8Array =>
    encodeFrame(FrameType.data, concatBytes(varints(stream), new Uint8Array(length)))
  const credit = (stream: number, bytes: number): Uint8Array => encodeFrame(FrameType.credit, varints(stream, bytes))
  const end = (stream: number): Uint8Array => encodeFrame(FrameType.end, varints(stream))
  const reset = (stream: number): Uint8Array => encodeFrame(FrameType.reset, varints(stream, 0))
  const opened = [open(1)]
  const asking = { opens: [['/y/2', '/y/1']] }
  const cases: Judged[] = [
    { name: 'open', frame: open(1), fault: false },
    { name: 'open-of-an-unknown-protocol', frame: open(1, 0, ['/z/1']), fault: false },
    { name: 'open-after-a-number-passed-over', before: opened, frame: open(7), fault: false },
    { name: 'open-with-a-number-used-before', before: opened, frame: open(1), fault: true },
    { name: 'open-with-a-number-that-was-refused', before: [open(1, 0, ['/z/1'])], frame: open(1), fault: true },
    { name: 'open-with-a-number-passed-over', before: [open(3)], frame: open(1), fault: true },
    { name: 'open-with-a-number-of-a-reset-stream', before: [open(1), reset(1)], frame: open(1), fault: true },
    { name: 'open-of-the-receivers-parity', frame: open(2), fault: true },
    { name: 'open-to-a-dialer', receiver: 'dialer', frame: open(2), fault: false },
    { name: 'open-to-a-dialer-of-its-parity', receiver: 'dialer', frame: open(1), fault: true },
    { name: 'data-within-credit', before: opened, frame: data(1, CREDIT), fault: false },
    { name: 'data-beyond-credit', before: opened, frame: data(1, CREDIT + 1), fault: true },
    { name: 'data-beyond-credit-in-pieces', before: [open(1), data(1, CREDIT)], frame: data(1, 1), fault: true },
    { name: 'data-of-no-bytes-without-credit', before: [open(1), data(1, CREDIT)], frame: data(1, 0), fault: false },
    { name: 'data-never-opened', frame: data(1, 1), fault: true },
    { name: 'data-never-opened-by-the-receiver', frame: data(2, 1), fault: true },
    { name: 'data-of-a-number-passed-over', before: [open(3)], frame: data(1, CREDIT + 1), fault: false },
    { name: 'data-of-a-refused-stream', before: [open(1, 0, ['/z/1'])], frame: data(1, 1), fault: false },
    { name: 'data-behind-a-reset', before: [open(1), reset(1)], frame: data(1, 1), fault: false },
    { name: 'data-behind-the-end', before: [open(1), end(1)], frame: data(1, 1), fault: true },
    { name: 'end-behind-the-end', before: [open(1), end(1)], frame: end(1), fault: true },
    { name: 'credit-behind-the-end', before: [open(1), end(1)], frame: credit(1, 1), fault: false },
    { name: 'reset-behind-the-end', before: [open(1), end(1)], frame: reset(1), fault: false },
    { name: 'end-never-opened', frame: end(1), fault: true },
    { name: 'reset-never-opened', frame: reset(1), fault: true },
    { name: 'credit-never-opened', frame: credit(1, 1), fault: true },
    { name: 'accept-never-opened', frame: accept(2), fault: true },
    { name: 'credit-largest', before: [open(1, 10)], frame: credit(1, MOST - 10), fault: false },
    { name: 'credit-too-much-in-all', before: [open(1, 10)], frame: credit(1, MOST - 9), fault: true },
    { name: 'credit-too-much-in-two', before: [open(1, MOST), credit(1, 0)], frame: credit(1, 1), fault: true },
    { name: 'accept-of-the-last-name', ...asking, frame: accept(2, 1), fault: false },
    { name: 'accept-of-a-name-not-offered', ...asking, frame: accept(2, 2), fault: true },
    { name: 'accept-twice', ...asking, before: [accept(2)], frame: accept(2), fault: true },
    { name: 'accept-behind-a-reset', ...asking, before: [reset(2)], frame: accept(2), fault: false },
    { name: 'accept-of-the-senders-own-stream', before: opened, frame: accept(1), fault: true },
    { name: 'data-before-the-accept', ...asking, frame: data(2, 1), fault: true },
    { name: 'data-behind-the-accept', ...asking, before: [accept(2)], frame: data(2, CREDIT), fault: false },
    {
      name: 'data-beyond-the-credit-of-an-open',
      ...asking,
      before: [accept(2)],
      frame: data(2, CREDIT + 1),
      fault: true,
    },
    { name: 'credit-before-the-accept', ...asking, frame: credit(2, 1), fault: true },
    { name: 'end-before-the-accept', ...asking, frame: end(2), fault: true },
    { name: 'reset-in-place-of-an-accept', ...asking, frame: reset(2), fault: false },
    { name: 'frame-behind-a-refusal', ...asking, before: [reset(2)], frame: end(2), fault: false },
  ]
  return {
    about:
      'What a receiver makes of `frame` after the frames in `before`. It has handlers for `handlers`, has opened a stream for ' +
      'each of `opens` (in order, with its first numbers), grants each stream `credit` bytes and no more, has let all its ' +
      'answers leave, and sends neither ends nor resets of its own but to refuse. `fault`: a protocol error.',
    vectors: cases.map(({ name, receiver = 'listener', opens = [], before = [], frame, fault }) => ({
      name: `stream-${name}`,
      kind: 'stream-judged',
      receiver,
      handlers: ['/x/1'],
      opens,
      credit: CREDIT,
      before: before.map(packed),
      bytes: packed(frame),
      fault,
    })),
  }
}
