// A connection on its way to being a link: preamble, Noise handshake, `about`; then it is open and its parts are handed on.
// One absolute deadline holds for all of it, whatever the pace of the bytes. A stranger gets no answer: whatever is wrong
// before the other end is proven closes the socket without a word. docs/protocol.md, "Handshake and opening".

import { concatBytes, EMPTY, equalBytes } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import { CborReader } from '../framing/cbor-reader.ts'
import { encodeFrame, type Frame, FrameReader, FrameType } from '../framing/frames.ts'
import { decodeGoodbye, encodeGoodbye, GoodbyeCode } from '../framing/goodbye.ts'
import { RecordOpener, RecordReader, RecordSealer, sealedLength } from '../framing/records.ts'
import type { Identities, Identity } from '../identity/identities.ts'
import { Alarm } from '../io/alarm.ts'
import type { Clock, Endpoint, Socket } from '../io/world.ts'
import {
  HANDSHAKE_RECORD_BYTES_MAX,
  PEERS_BYTES_MAX,
  PEERS_MAX,
  RECORD_BYTES_MAX,
  UNPROVEN_BYTES_MAX,
} from '../limits.ts'
import type { HandshakeState } from '../noise/handshake-state.ts'
import { type About, decodeAbout } from './about.ts'
import type { Farewells } from './farewells.ts'
import { decodeHandshakePayload } from './handshake-payload.ts'
import { type HandshakesContext, handshakesOf } from './handshakes.ts'
import { PREAMBLE } from './preamble.ts'

/** What every opening of one node shares. */
export interface OpeningContext extends HandshakesContext {
  readonly clock: Clock
  readonly farewells: Farewells
  readonly identities: Identities
  /** The body of our `about` for a connection whose other end is `remote`. `keep`: see About. */
  about(remote: Endpoint, keep: boolean): Uint8Array
  /** Throws a MeshError with a remote fault when the node record is not genuine or not of this identity. */
  checkRecord(record: Uint8Array, identity: Identity): void
}

/** Whether a proven identity may go on; `code` and `text` are what a listener says when not. */
export type Admission = { readonly ok: true } | { readonly ok: false; readonly code: number; readonly error: MeshError }

/** A connection that is open: everything that a link needs to go on where the opening stopped. */
export interface Opened {
  readonly identity: Identity
  readonly about: About
  readonly features: readonly string[]
  readonly socket: Socket
  readonly records: RecordReader
  readonly frames: FrameReader
  readonly sealer: RecordSealer
  readonly opener: RecordOpener
}

/** Exactly one of `opened` and `failed` is called, once. */
export interface OpeningEvents {
  /** The dialer after message 2, the listener after message 3: may this identity go on? */
  admit(identity: Identity): Admission
  /** Records to send to a peer that was refused for want of room: the body of a `peers` frame, or null. */
  refusalPeers(): Uint8Array | null
  /** The other end refused us and told us of others instead. */
  peersTold(records: readonly Uint8Array[], identity: Identity): void
  opened(parts: Opened): void
  /** `culprit`: who broke the protocol after it had proven who it is; null where nobody did. */
  failed(error: MeshError, goodbyeCode: number | null, culprit: Identity | null): void
}

type Phase =
  | { readonly name: 'noise'; readonly state: HandshakeState }
  | {
      readonly name: 'about'
      readonly identity: Identity
      readonly sealer: RecordSealer
      readonly opener: RecordOpener
      readonly frames: FrameReader
    }
  | { readonly name: 'over' }

export class Opening {
  readonly #context: OpeningContext
  readonly #socket: Socket
  readonly #initiator: boolean
  readonly #expected: string | null
  readonly #keep: boolean
  readonly #events: OpeningEvents
  readonly #records = new RecordReader(HANDSHAKE_RECORD_BYTES_MAX)
  readonly #deadline: Alarm
  #phase: Phase
  /** What goes out in one write when the bytes at hand have been read: each write is a packet, and wakes the other end. */
  #unsent: Uint8Array[] = []
  #messages = 0
  #features: readonly string[] = []

  /**
   * Starts at once. `expected`: the peer id that a dialer insists on; `keep`: see About. `deadlineMs` is absolute. For a
   * listener, `first` is what was read behind the preamble.
   */
  constructor(
    context: OpeningContext,
    socket: Socket,
    role: { initiator: true; expected: string | null; keep: boolean } | { initiator: false; first: Uint8Array },
    deadlineMs: number,
    events: OpeningEvents,
  ) {
    this.#context = context
    this.#socket = socket
    this.#initiator = role.initiator
    this.#expected = role.initiator ? role.expected : null
    this.#keep = role.initiator && role.keep
    this.#events = events
    const state = handshakesOf(context).begin(role.initiator)
    this.#phase = { name: 'noise', state }
    this.#deadline = new Alarm(context.clock, () => {
      this.#fail(new MeshError('handshake-timeout', 'the other end did not complete the handshake in time'))
    })
    this.#deadline.set(deadlineMs)
    if (role.initiator) {
      this.#unsent.push(PREAMBLE)
      this.#writeHandshake(state, EMPTY)
      this.#flush()
    }
    socket.attach({
      data: (bytes) => this.#received(bytes),
      drained: () => {},
      ended: () => this.#otherEnded(),
      closed: (error) => this.#closed(error),
    })
    socket.shareReadBuffer?.()
    if (!role.initiator && role.first.length > 0) this.#received(role.first)
  }

  /** Gives up, for a reason of our own. `failed` is called. */
  abort(error: MeshError): void {
    this.#fail(error)
  }

  #received(bytes: Uint8Array): void {
    if (this.#phase.name === 'over') return
    try {
      this.#records.push(bytes)
      for (;;) {
        const phase = this.#current()
        if (phase.name === 'over') return
        if (phase.name === 'about') {
          const frame = phase.frames.next()
          if (frame !== null) {
            if (frame.known) this.#frame(frame, phase.identity)
            continue
          }
        }
        const record = this.#records.next()
        if (record === null) return this.#boundUnproven(phase)
        if (phase.name === 'noise') this.#readHandshake(phase.state, record)
        else phase.frames.push(phase.opener.open(record))
      }
    } catch (error) {
      this.#faulty(error)
    } finally {
      this.#flush()
      // They are good for this call only; what is left goes to the link where it is open now.
      this.#records.keep()
    }
  }

  #boundUnproven(phase: Phase): void {
    if (phase.name === 'noise' && this.#records.bufferedBytes > UNPROVEN_BYTES_MAX) {
      throw new MeshError('bad-handshake', 'more bytes than a handshake needs')
    }
  }

  #faulty(error: unknown): void {
    if (!(error instanceof MeshError) || error.fault !== 'remote') throw error
    // Where frames work the other end is proven and is told; a record that does not open ends in silence.
    if (this.#phase.name === 'about' && error.code !== 'bad-record')
      this.#refuse(GoodbyeCode.protocolError, error.message, null, error, this.#phase.identity)
    else this.#fail(error)
  }

  // XXpsk0: dialer writes message 1 and 3, listener message 2.
  #readHandshake(state: HandshakeState, record: Uint8Array): void {
    const payload = state.readMessage(record)
    this.#messages++
    if (!this.#initiator && this.#messages === 1) {
      if (payload.length > 0) throw new MeshError('bad-handshake', 'the first handshake message has a payload')
      this.#writeHandshake(state, handshakesOf(this.#context).payload)
      return
    }
    const identity = this.#provenIdentity(payload, state)
    if (this.#initiator) {
      if (this.#expected !== null && identity.id !== this.#expected) {
        return this.#fail(new MeshError('wrong-identity', `expected ${this.#expected}, found ${identity.id}`))
      }
      const admission = this.#events.admit(identity)
      // Asking may have made the table give this very dial up.
      if (this.#current().name === 'over') return
      if (!admission.ok) return this.#fail(admission.error)
      this.#writeHandshake(state, handshakesOf(this.#context).payload)
      return this.#enterAbout(state, identity)
    }
    this.#enterAbout(state, identity)
  }

  #enterAbout(state: HandshakeState, identity: Identity): void {
    const { send, receive } = state.split()
    const sealer = new RecordSealer(send)
    this.#records.recordBytesMax = RECORD_BYTES_MAX
    this.#phase = { name: 'about', identity, sealer, opener: new RecordOpener(receive), frames: new FrameReader() }
    if (!this.#initiator) {
      const admission = this.#events.admit(identity)
      if (!admission.ok) {
        const peers = admission.code === GoodbyeCode.tooMany ? this.#events.refusalPeers() : null
        return this.#refuse(admission.code, admission.error.message, peers, admission.error)
      }
    }
    this.#writeSealed(sealer, encodeFrame(FrameType.about, this.#context.about(this.#socket.remote, this.#keep)))
    // The other end can work on it while this one reads on.
    this.#flush()
  }

  #frame(frame: Frame, identity: Identity): void {
    switch (frame.type) {
      case FrameType.about:
        return this.#open(decodeAbout(frame.body), identity)
      case FrameType.peers:
        return this.#events.peersTold(decodePeers(frame.body), identity)
      case FrameType.goodbye: {
        const { code, text } = decodeGoodbye(frame.body)
        return this.#fail(new MeshError('peer-said-goodbye', goodbyeReason(code, text)), code)
      }
      default:
        throw new MeshError('bad-frame', `a frame of type ${frame.type} before about`)
    }
  }

  #open(about: About, identity: Identity): void {
    const phase = this.#phase
    if (phase.name !== 'about') return
    if (about.record !== null) this.#context.checkRecord(about.record, identity)
    this.#phase = { name: 'over' }
    this.#deadline.cancel()
    const { sealer, opener, frames } = phase
    this.#flush()
    const [features, records, socket] = [this.#features, this.#records, this.#socket]
    this.#events.opened({ identity, about, features, socket, records, frames, sealer, opener })
  }

  #provenIdentity(payload: Uint8Array, state: HandshakeState): Identity {
    const { publicKey, features } = decodeHandshakePayload(payload)
    this.#features = features
    const identity = this.#context.identities.admit(publicKey)
    if (identity === null) throw new MeshError('bad-identity', 'the identity is not an acceptable Ed25519 public key')
    if (state.remoteStatic === null || !equalBytes(identity.x25519Key, state.remoteStatic)) {
      throw new MeshError('bad-identity', 'the identity does not belong to the key that the handshake proved')
    }
    return identity
  }

  #writeHandshake(state: HandshakeState, payload: Uint8Array): void {
    const message = state.writeMessage(payload)
    const record = new Uint8Array(2 + message.length)
    new DataView(record.buffer).setUint16(0, message.length)
    record.set(message, 2)
    this.#unsent.push(record)
  }

  #writeSealed(sealer: RecordSealer, plain: Uint8Array): void {
    const record = new Uint8Array(sealedLength(plain.length))
    sealer.seal(plain, record, 0)
    this.#unsent.push(record)
  }

  #flush(): void {
    if (this.#unsent.length === 0) return
    const unsent = this.#unsent
    this.#unsent = []
    this.#socket.write(concatBytes(...unsent))
  }

  /** Ends a proven connection with a goodbye, after the peers that it may try instead. */
  #refuse(
    code: number,
    text: string,
    peers: Uint8Array | null,
    error: MeshError,
    culprit: Identity | null = null,
  ): void {
    const phase = this.#phase
    if (phase.name !== 'about') return this.#fail(error)
    if (peers !== null) this.#writeSealed(phase.sealer, encodeFrame(FrameType.peers, peers))
    this.#writeSealed(phase.sealer, encodeFrame(FrameType.goodbye, encodeGoodbye(code, text)))
    this.#phase = { name: 'over' }
    this.#deadline.cancel()
    this.#flush()
    this.#context.farewells.closeSoon(this.#socket)
    this.#events.failed(error, null, culprit)
  }

  #fail(error: MeshError, goodbyeCode: number | null = null): void {
    if (this.#phase.name === 'over') return
    this.#phase = { name: 'over' }
    this.#deadline.cancel()
    this.#unsent = []
    this.#socket.destroy()
    this.#events.failed(error, goodbyeCode, null)
  }

  #otherEnded(): void {
    const isUnanswered = this.#initiator && this.#messages === 0
    const hint = isUnanswered ? '; is it in the same network, with the same key?' : ''
    this.#fail(new MeshError('connection-lost', `the other end closed the connection during the handshake${hint}`))
  }

  /** Read through a call, since handling a record or frame may change it. */
  #current(): Phase {
    return this.#phase
  }

  #closed(cause: Error | null): void {
    this.#fail(new MeshError('connection-lost', 'the connection was lost during the handshake', { cause }))
  }
}

/** The node records in a `peers` frame. Throws MeshError `bad-cbor` or `bad-frame`. */
export function decodePeers(body: Uint8Array): Uint8Array[] {
  const reader = new CborReader(body)
  const count = reader.array()
  if (count > PEERS_MAX) throw new MeshError('bad-frame', `${count} records in a peers frame; at most ${PEERS_MAX}`)
  const records = Array.from({ length: count }, () => reader.bytes(PEERS_BYTES_MAX))
  reader.finish()
  return records
}

/** A goodbye in words, for errors and events. */
export function goodbyeReason(code: number, text: string): string {
  const name = Object.entries(GoodbyeCode).find(([, value]) => value === code)?.[0] ?? 'unknown code'
  return text === '' ? `goodbye ${code} (${name})` : `goodbye ${code} (${name}): ${text}`
}
