// What goes between two nodes alone, put together: direct messages over whatever links there are, and for each link its
// streams. Frames come in here by link; whom to dial for a stream, and when such a link has served its purpose, is asked of
// the table of neighbours. It decides nothing itself. docs/protocol.md sections 9 and 10.

import type { Primitives } from './crypto/primitives.ts'
import { checkDirectTopic, Direct } from './direct/direct.ts'
import type { MessageHandler, RequestHandler } from './direct/handlers.ts'
import { MeshError, reasonOf } from './errors.ts'
import { Ranges } from './flood/ranges.ts'
import { FrameType } from './framing/frames.ts'
import type { Identities, Identity } from './identity/identities.ts'
import type { KeyPair } from './identity/key-pair.ts'
import type { Network } from './identity/network.ts'
import { publicKeyOfPeerId } from './identity/peer-id.ts'
import { Alarm } from './io/alarm.ts'
import type { Clock, Random } from './io/world.ts'
import { ALL_WINDOWS_BYTES_MAX, LINK_QUEUE_BYTES_MAX } from './limits.ts'
import type { Link } from './link/link.ts'
import { plainFrame } from './link/send-queue.ts'
import type { MeshStream } from './streams/duplex.ts'
import { StreamRegistry } from './streams/registry.ts'
import { Streams } from './streams/streams.ts'

/** A link that was made for a stream is closed when it has had none for so long. */
const VISIT_IDLE_MS = 30_000

export interface OneToOneOptions {
  readonly clock: Clock
  readonly random: Random
  readonly primitives: Primitives
  readonly keyPair: KeyPair
  readonly network: Network
  readonly identities: Identities
  readonly registrations: Registrations
  epoch(): number
  /** As `DirectOptions.knownEpoch`. */
  knownEpoch(originKey: string): number
  /** Links that are open, one for each neighbour. */
  links(): Iterable<Link>
  /** By peer id text or identity key. */
  link(peer: string): Link | undefined
  /** The link with that peer, made for the purpose where there is none. */
  visit(peer: string, signal: AbortSignal | undefined): Promise<Link>
  /** Ends a link that was made for a purpose; any other goes on. */
  leave(identityKey: string): void
  warn(code: string, text: string): void
}

/** What the program has registered; it may do so before the node runs. */
export class Registrations {
  readonly streams: StreamRegistry = new StreamRegistry()
  readonly #kept = new Map<string, (direct: Direct) => () => void>()
  readonly #takenBack = new Map<string, () => void>()
  #direct: Direct | null = null

  /** Throws MeshError `bad-topic`, `bad-argument`, `already-registered`. Returns what takes it back. */
  onMessage(topic: string, handler: MessageHandler): () => void {
    checkHandler(handler)
    return this.#register(`message ${topic}`, topic, (direct) => direct.onMessage(topic, handler))
  }

  /** As `onMessage`. */
  onRequest(topic: string, handler: RequestHandler): () => void {
    checkHandler(handler)
    return this.#register(`request ${topic}`, topic, (direct) => direct.onRequest(topic, handler))
  }

  /** The node runs from now on. */
  attach(direct: Direct): void {
    this.#direct = direct
    for (const [name, apply] of this.#kept) this.#takenBack.set(name, apply(direct))
  }

  #register(name: string, topic: string, apply: (direct: Direct) => () => void): () => void {
    checkDirectTopic(topic)
    if (this.#kept.has(name)) throw new MeshError('already-registered', `there is a handler for ${topic} already`)
    if (this.#direct !== null) this.#takenBack.set(name, apply(this.#direct))
    this.#kept.set(name, apply)
    return () => {
      if (this.#kept.get(name) !== apply) return
      this.#kept.delete(name)
      this.#takenBack.get(name)?.()
      this.#takenBack.delete(name)
    }
  }
}

/** The first message would be acknowledged, and lost. */
function checkHandler(handler: unknown): void {
  if (typeof handler !== 'function')
    throw new MeshError('bad-argument', 'a handler of direct messages must be a function')
}

interface Side {
  readonly streams: Streams
  /** Since when it has had no stream; null while it has one. */
  idleSinceMs: number | null
}

export class OneToOne {
  readonly direct: Direct
  readonly #given: OneToOneOptions
  readonly #alarm: Alarm
  readonly #budget = { bytes: 0, bytesMax: ALL_WINDOWS_BYTES_MAX }
  /** Only of links that had a stream. */
  readonly #sides = new Map<Link, Side>()
  #isClosed = false

  constructor(given: OneToOneOptions) {
    this.#given = given
    const { clock, random } = given
    this.direct = new Direct({
      ...given,
      networkId: given.network.id,
      links: {
        send: (linkKey, body) => this.#send(given.link(linkKey), body),
        flood: (body, exceptLinkKey) => this.#flood(body, exceptLinkKey),
      },
      random: (length) => random.bytes(length),
      nowMs: () => clock.nowMs(),
      newRanges: () => new Ranges(),
      deadlineMoved: () => this.#setAlarm(),
    })
    this.#alarm = new Alarm(clock, () => this.#tick())
    given.registrations.attach(this.direct)
  }

  /** Streams over all links. */
  get streamCount(): number {
    let count = 0
    for (const { streams } of this.#sides.values()) count += streams.count
    return count
  }

  /** A frame came over that link; false when it is none of these. */
  frame(link: Link, type: number, body: Uint8Array): boolean {
    if (type === FrameType.direct) {
      this.direct.received(link.identity.key, body)
      this.#setAlarm()
      return true
    }
    if (type < FrameType.open || type > FrameType.accept) return false
    // On a losing connection these are of streams that have ended here, while the other end does not know it yet.
    if (!link.isOpen) return true
    this.#side(link).streams.received(type, body)
    return true
  }

  /** A neighbour is there. */
  neighbourUp(identity: Identity): void {
    this.direct.linkUp(identity)
  }

  neighbourDown(identityKey: string): void {
    this.direct.linkDown(identityKey)
    this.#setAlarm()
  }

  /** That connection is over, or gives way to another one: its streams end with it. */
  linkOver(link: Link, error: MeshError): void {
    this.#sides.get(link)?.streams.closed(error)
    this.#sides.delete(link)
  }

  /**
   * Opens a stream to that peer, over the link with it or one made for the purpose. Rejects as `Streams.open`, with
   * `unreachable` or `connection-lost`, `bad-peer-id`, `not-running`, and with `bad-argument` where that peer is this node.
   */
  async open(peer: string, names: readonly string[], signal: AbortSignal | undefined): Promise<MeshStream> {
    const given = this.#given
    if (this.#isClosed) throw new MeshError('not-running', 'this node has stopped')
    const to = given.identities.admit(publicKeyOfPeerId(peer))
    if (to === null) throw new MeshError('bad-peer-id', 'this peer id is no acceptable identity')
    if (to.id === given.keyPair.identity.id) throw new MeshError('bad-argument', 'that peer is this node itself')
    let link = await given.visit(to.id, signal)
    // It may have ended in the very turn in which it was found, and another connection with that peer taken over.
    if (!link.isOpen && given.link(to.id) !== undefined) link = await given.visit(to.id, signal)
    if (!link.isOpen) throw new MeshError('connection-lost', 'the link ended before the stream was opened')
    const opening = this.#side(link).streams.open(names, signal)
    this.#setAlarm()
    return opening
  }

  /** Nothing is sent or taken any more. Streams end with their links. */
  close(): void {
    this.#isClosed = true
    this.#alarm.cancel()
    this.direct.close()
  }

  #side(link: Link): Side {
    const known = this.#sides.get(link)
    if (known !== undefined) return known
    const { clock, registrations, warn } = this.#given
    const streams = new Streams({
      isDialer: link.direction === 'out',
      peer: link.identity.id,
      carrier: {
        send: (frame) => link.send('stream', frame),
        control: (frame) => link.send('control', frame),
        withdraw: (frame) => link.withdraw(frame),
      },
      registry: registrations.streams,
      budget: this.#budget,
      nowMs: () => clock.nowMs(),
      endOfTurn: (run) => clock.endOfTurn(run),
      roundTripMs: () => link.roundTripMs,
      handlerFailed: (protocol, reason) => {
        warn('handler-failed', `the handler of streams of ${protocol} failed: ${reasonOf(reason)}`)
      },
    })
    const side = { streams, idleSinceMs: clock.nowMs() }
    this.#sides.set(link, side)
    this.#setAlarm()
    return side
  }

  #send(link: Link | undefined, body: Uint8Array): boolean {
    if (link === undefined || link.queuedBytes + body.length > 2 * LINK_QUEUE_BYTES_MAX) return false
    link.send('direct', plainFrame(FrameType.direct, body))
    return true
  }

  #flood(body: Uint8Array, exceptLinkKey: string | null): number {
    let count = 0
    for (const link of this.#given.links()) {
      if (link.identity.key !== exceptLinkKey && this.#send(link, body)) count++
    }
    return count
  }

  #tick(): void {
    const nowMs = this.#given.clock.nowMs()
    this.direct.tick()
    for (const [link, side] of this.#sides) {
      side.streams.tick()
      if (side.streams.count > 0) side.idleSinceMs = null
      else side.idleSinceMs ??= nowMs
      if (side.idleSinceMs !== null && nowMs - side.idleSinceMs >= VISIT_IDLE_MS) {
        side.idleSinceMs = nowMs
        this.#given.leave(link.identity.key)
      }
    }
    this.#setAlarm()
  }

  #setAlarm(): void {
    if (this.#isClosed) return
    let deadlineMs = this.direct.nextDeadlineMs()
    // A look at links that may have served their purpose, as long as there are any that had a stream.
    if (this.#sides.size > 0) deadlineMs = Math.min(deadlineMs, this.#given.clock.nowMs() + VISIT_IDLE_MS)
    for (const { streams } of this.#sides.values()) deadlineMs = Math.min(deadlineMs, streams.nextDeadlineMs())
    // Only ever nearer: otherwise each message that comes would put off that look.
    this.#alarm.hasten(deadlineMs)
  }
}
