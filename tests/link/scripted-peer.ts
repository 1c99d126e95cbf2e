// The other end of a connection, played by hand: it shakes hands by the book or in one wrong way, and then sends what it is
// told to. Works over any Socket, of memory or of the machine. The tests of link/ and adversary/ share it.

import { concatBytes, EMPTY } from '../../lib/bytes.ts'
import { encodeCbor } from '../../lib/framing/cbor.ts'
import { encodeFrame, FrameReader, FrameType } from '../../lib/framing/frames.ts'
import { decodeGoodbye } from '../../lib/framing/goodbye.ts'
import { RecordOpener, RecordReader, RecordSealer, sealedLength } from '../../lib/framing/records.ts'
import type { KeyPair } from '../../lib/identity/key-pair.ts'
import type { Socket } from '../../lib/io/world.ts'
import { encodeAbout } from '../../lib/link/about.ts'
import { PREAMBLE } from '../../lib/link/preamble.ts'
import { HandshakeState } from '../../lib/noise/handshake-state.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { openNetwork } from '../identity/nodes.ts'

export interface Script {
  /** The network key that it uses. */
  psk: Uint8Array
  sendsPreamble: boolean
  /** Payload of message 1. */
  payload1: Uint8Array
  /** Payload of its own message 2 or 3. */
  payload: Uint8Array
  /** Handshake messages that it sends at most; a dialler sends 2, a listener 1. */
  messagesMax: number
  /** Changes a handshake message before it is sent; `index` counts its own from 0. */
  twist(message: Uint8Array, index: number): Uint8Array
  /** The body of its about, null: it sends none. */
  about: Uint8Array | null
}

export function ordinaryAbout(name = 'scripted'): Uint8Array {
  return encodeAbout({ agent: 'test', name, record: null, observed: null, keep: false })
}

export class ScriptedPeer {
  readonly socket: Socket
  readonly frames: { type: number; body: Uint8Array; known: boolean }[] = []
  receivedBytes = 0
  hasEnded = false
  isClosed = false
  closeError: Error | null = null
  /** Called with each frame that comes, after it was written down. */
  onFrame: (type: number, body: Uint8Array) => void = () => {}
  readonly #script: Script
  readonly #initiator: boolean
  readonly #state: HandshakeState
  readonly #records = new RecordReader(65_535)
  readonly #frameReader = new FrameReader()
  #messages = 0
  #skipBytes: number
  #sealer: RecordSealer | null = null
  #opener: RecordOpener | null = null
  #waiting: { done: () => boolean; resolve: () => void }[] = []

  /** Begins at once. A listener expects the preamble before message 1. */
  constructor(socket: Socket, keyPair: KeyPair, role: 'dialler' | 'listener', given: Partial<Script> = {}) {
    this.socket = socket
    this.#initiator = role === 'dialler'
    this.#skipBytes = this.#initiator ? 0 : PREAMBLE.length
    this.#script = {
      psk: openNetwork.psk,
      sendsPreamble: true,
      payload1: EMPTY,
      payload: encodeCbor(new Map([[1, keyPair.identity.publicKey]])),
      messagesMax: Number.POSITIVE_INFINITY,
      twist: (message) => message,
      about: ordinaryAbout(),
      ...given,
    }
    const random = seeded(keyPair.seed[0]! + 77)
    this.#state = new HandshakeState({
      pattern: 'XXpsk0',
      initiator: this.#initiator,
      prologue: PREAMBLE,
      primitives: completedNative,
      random: (length) => random.bytes(length),
      s: { privateKey: keyPair.x25519PrivateKey, publicKey: keyPair.identity.x25519Key },
      psks: [this.#script.psk],
    })
    socket.attach({
      data: (bytes) => this.#received(bytes),
      drained: () => {},
      ended: () => {
        this.hasEnded = true
        this.#wake()
      },
      closed: (error) => {
        this.isClosed = true
        this.closeError = error
        this.#wake()
      },
    })
    if (!this.#initiator) return
    if (this.#script.sendsPreamble) socket.write(PREAMBLE)
    this.#sendMessage(this.#script.payload1)
  }

  /** The handshake is over at this end. */
  get isSealed(): boolean {
    return this.#sealer !== null
  }

  /** Bodies of the frames of one type that came so far. */
  bodies(type: number): Uint8Array[] {
    return this.frames.filter((frame) => frame.type === type).map(({ body }) => body)
  }

  /** The goodbye that came, or null. */
  get goodbye(): { code: number; text: string } | null {
    const [body] = this.bodies(FrameType.goodbye)
    return body === undefined ? null : decodeGoodbye(body)
  }

  /** Seals `plain` into records of at most `recordBytes` and sends them. */
  sendPlain(plain: Uint8Array, recordBytes = 65_519): void {
    for (let at = 0; at < plain.length; at += recordBytes)
      this.socket.write(this.seal(plain.subarray(at, at + recordBytes)))
  }

  /** One record, sealed and not sent: the next nonce is used up. */
  seal(plain: Uint8Array): Uint8Array {
    const record = new Uint8Array(sealedLength(plain.length))
    this.#sealer!.seal(plain, record, 0)
    return record
  }

  sendFrame(type: number, body: Uint8Array): void {
    this.sendPlain(encodeFrame(type, body))
  }

  /** Several frames in as few records as they need. */
  sendFrames(...frames: readonly (readonly [type: number, body: Uint8Array])[]): void {
    this.sendPlain(concatBytes(...frames.map(([type, body]) => encodeFrame(type, body))))
  }

  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Resolves once `done`, asked after everything that comes in, says so. */
  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ done, resolve }))
  }

  /** Resolves when a frame of that type has come. */
  untilFrame(type: number): Promise<void> {
    return this.until(() => this.bodies(type).length > 0)
  }

  /** Resolves when the other end will send no more. */
  untilOver(): Promise<void> {
    return this.until(() => this.hasEnded || this.isClosed)
  }

  #received(bytes: Uint8Array): void {
    this.receivedBytes += bytes.length
    const skipped = Math.min(this.#skipBytes, bytes.length)
    this.#skipBytes -= skipped
    this.#records.push(bytes.subarray(skipped))
    for (let record = this.#records.next(); record !== null; record = this.#records.next()) {
      if (this.#opener === null) this.#readMessage(record)
      else {
        this.#frameReader.push(this.#opener.open(record))
        for (let frame = this.#frameReader.next(); frame !== null; frame = this.#frameReader.next()) {
          this.frames.push({ type: frame.type, body: new Uint8Array(frame.body), known: frame.known })
          this.onFrame(frame.type, frame.body)
        }
      }
    }
    this.#wake()
  }

  #readMessage(record: Uint8Array): void {
    if (this.#state.isFinished) return
    this.#state.readMessage(record)
    if (!this.#state.isFinished) this.#sendMessage(this.#script.payload)
    else this.#enterRecords()
  }

  #sendMessage(payload: Uint8Array): void {
    if (this.#messages >= this.#script.messagesMax) return
    const message = this.#script.twist(this.#state.writeMessage(payload), this.#messages++)
    this.socket.write(concatBytes(Uint8Array.of(message.length >> 8, message.length), message))
    if (this.#state.isFinished) this.#enterRecords()
  }

  #enterRecords(): void {
    const { send, receive } = this.#state.split()
    this.#sealer = new RecordSealer(send)
    this.#opener = new RecordOpener(receive)
    if (this.#script.about !== null) this.sendFrame(FrameType.about, this.#script.about)
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter((waiter) => {
      if (!waiter.done()) return true
      waiter.resolve()
      return false
    })
  }
}
