// Direct messages of one node: sealed for one other node, carried hop by hop over whatever links there are, acknowledged, and
// taken once. The only door to this folder. It knows neither links nor the flood: frames come in, frames and deadlines go
// out. docs/protocol.md section 9.

import { copyBytes, EMPTY } from '../bytes.ts'
import type { Primitives } from '../crypto/primitives.ts'
import { MeshError } from '../errors.ts'
import type { Identities, Identity } from '../identity/identities.ts'
import type { KeyPair } from '../identity/key-pair.ts'
import { publicKeyOfPeerId } from '../identity/peer-id.ts'
import { DIRECT_FLOOD_BYTES_MAX, DIRECT_FLOODS_PER_SECOND_MAX } from '../limits.ts'
import { Budget } from './budget.ts'
import { type Content, decodeContent, isDirectTopic, Kind, Trouble } from './content.ts'
import { Destinations } from './destinations.ts'
import { type DirectFrame, Envelopes, readDirect, textKey } from './envelope.ts'
import { Handled } from './handled.ts'
import { Handlers, type MessageHandler, type RequestHandler } from './handlers.ts'
import { Inbox, type InboxCounters } from './inbox.ts'
import { OwnEpochs } from './own-epochs.ts'
import { Post, type PostCounters } from './post.ts'
import { type DirectLinks, Relay, type RelayCounters } from './relay.ts'
import type { DirectLink } from './routes.ts'
import { type NumberRanges, Sources } from './sources.ts'

export const REQUEST_TIMEOUT_MS = 10_000
/** Timers go no further. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1
/** What an answer lets go on leaves with it, as far as that takes about a millisecond; the rest with the next tick. */
const TRIES_AT_ONCE = 4
/** Topics below this belong to the mesh itself. */
const RESERVED_PREFIX = '$mesh/'

export interface DirectOptions {
  readonly keyPair: KeyPair
  readonly networkId: Uint8Array
  readonly identities: Identities
  readonly primitives: Primitives
  readonly links: DirectLinks
  /** This run's epoch: durable before it was used. It may grow. */
  epoch(): number
  /** The epoch in which an origin was heard lately by its bundles, by the key of its public key; 0 when it was not. */
  knownEpoch(originKey: string): number
  /** Cryptographically strong. */
  random(length: number): Uint8Array
  /** Monotonic milliseconds. */
  nowMs(): number
  /** An empty set of numbers. */
  newRanges(): NumberRanges
  /** `nextDeadlineMs` may be earlier than it was, outside any call. */
  deadlineMoved(): void
  warn(code: string, text: string): void
}

/** What came in and went no further, by reason. */
export interface DirectIgnored {
  /** A copy of what was handled before. */
  copies: number
  /** From a link that is not up. */
  unknownLink: number
  /** Our own, come back. */
  own: number
  unopened: number
  malformed: number
  unknownKind: number
}

export interface DirectCounters {
  readonly relay: RelayCounters
  readonly post: PostCounters
  readonly inbox: InboxCounters
  readonly ignored: DirectIgnored
}

export class Direct {
  readonly counters: DirectCounters
  readonly #given: DirectOptions
  readonly #ownKey: string
  readonly #ignored: DirectIgnored = {
    copies: 0,
    unknownLink: 0,
    own: 0,
    unopened: 0,
    malformed: 0,
    unknownKind: 0,
  }
  readonly #envelopes: Envelopes
  readonly #handled = new Handled()
  readonly #handlers: Handlers
  readonly #relay: Relay
  readonly #post: Post
  readonly #inbox: Inbox
  readonly #notices = new Budget(DIRECT_FLOODS_PER_SECOND_MAX)
  #closed: MeshError | null = null

  constructor(options: DirectOptions) {
    this.#given = options
    const { keyPair, primitives, links } = options
    const nowMs = (): number => options.nowMs()
    this.#ownKey = textKey(keyPair.identity.publicKey)
    this.#envelopes = new Envelopes(options)
    this.#relay = new Relay(links, (frame) => this.#noWay(frame))
    const ownEpochs = new OwnEpochs({
      epoch: () => options.epoch(),
      random: (length) => options.random(length),
      startedMs: nowMs(),
    })
    this.#post = new Post({
      envelopes: this.#envelopes,
      relay: this.#relay,
      destinations: new Destinations(),
      ownEpochs,
      sha256: (data) => primitives.sha256(data),
      knownEpoch: (originKey) => options.knownEpoch(originKey),
    })
    this.#handlers = new Handlers({
      answeredLater: () => options.deadlineMoved(),
      warn: (code, text) => options.warn(code, text),
    })
    const sources = new Sources(ownEpochs, () => options.newRanges())
    this.#inbox = new Inbox({ post: this.#post, sources, ownEpochs, handlers: this.#handlers, nowMs })
    this.counters = {
      relay: this.#relay.counters,
      post: this.#post.counters,
      inbox: this.#inbox.counters,
      ignored: this.#ignored,
    }
  }

  /** A neighbour is there; not again when only the connection below is replaced. */
  linkUp(neighbour: Identity): void {
    this.#relay.routes.linkUp(neighbour)
  }

  /** `linkKey`: the neighbour's identity key. */
  linkDown(linkKey: string): void {
    this.#relay.routes.linkDown(linkKey)
  }

  /** A verified bundle of this origin was new, and came over this link. Called for each one, and cheap. */
  heard(originKey: string, linkKey: string, nowMs: number): void {
    this.#relay.routes.heard(originKey, linkKey, nowMs)
  }

  /**
   * The body of a `direct` frame. Nothing of it is kept. Throws MeshError `bad-direct` when its bytes alone prove that the
   * neighbour broke the protocol; all else is at most ignored and counted.
   */
  received(linkKey: string, body: Uint8Array): void {
    const frame = readDirect(body, DIRECT_FLOOD_BYTES_MAX)
    const link = this.#relay.routes.link(linkKey)
    if (link === null || this.#closed !== null) {
      this.#ignored.unknownLink++
      return
    }
    if (frame.sourceKey === this.#ownKey) {
      this.#ignored.own++
      return
    }
    const nowMs = this.#given.nowMs()
    const isForUs = frame.destinationKey === this.#ownKey
    // Not marked as handled: a copy that has come less far may follow.
    if (!isForUs && this.#relay.dropsExhausted(frame)) return
    // Under another destination or source it is another envelope: else whoever changes these would silence the true one.
    const digest = textKey(this.#given.primitives.sha256(frame.envelope))
    const sight = this.#handled.look(`${digest}${frame.destinationKey}${frame.sourceKey}`, frame.hops, nowMs)
    if (sight === 'again' || (sight === 'nearer' && isForUs)) {
      this.#ignored.copies++
      return
    }
    this.#relay.routes.claimed(frame.sourceKey, link, nowMs)
    if (isForUs) this.#open(frame, link, nowMs)
    else this.#relay.forward(body, frame, link, nowMs)
  }

  /**
   * Sends a message and resolves when its destination has acknowledged it, which it does when it hands it to its handler.
   * The payload is copied. Rejects with MeshError `bad-peer-id`, `bad-argument`, `bad-topic`, `too-large`, `no-handler`,
   * `unreachable`, `timed-out` (after three tries; it may have come through all the same), `aborted`, `not-running`.
   */
  async send(peer: string, topic: string, payload: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#sendAndWait(Kind.message, peer, topic, payload, Number.POSITIVE_INFINITY, options.signal)
  }

  /**
   * Sends a request and resolves with the payload of its reply, the caller's own. Rejects as `send` does, and with MeshError
   * `request-failed` when the other end's handler failed; `timed-out` at the latest after `timeoutMs` (10,000).
   */
  async request(
    peer: string,
    topic: string,
    payload: Uint8Array,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<Uint8Array> {
    const timeoutMs = checkTimeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS)
    return (await this.#sendAndWait(Kind.request, peer, topic, payload, timeoutMs, options.signal)).payload
  }

  /** Asks another node for a sign of life. Resolves with the links that its answer crossed and the time both ways took. */
  async ping(
    peer: string,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<{ hops: number; roundTripMs: number }> {
    const startedMs = this.#given.nowMs()
    const timeoutMs = checkTimeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS)
    const { hops } = await this.#sendAndWait(Kind.question, peer, '', EMPTY, timeoutMs, options.signal)
    return { hops, roundTripMs: this.#given.nowMs() - startedMs }
  }

  /** Takes messages on exactly this topic. Throws MeshError `bad-topic`, `already-registered`. Returns what takes it back. */
  onMessage(topic: string, handler: MessageHandler): () => void {
    checkDirectTopic(topic)
    return this.#handlers.onMessage(topic, handler)
  }

  /** Answers requests on exactly this topic. Throws MeshError `bad-topic`, `already-registered`. Returns what takes it back. */
  onRequest(topic: string, handler: RequestHandler): () => void {
    checkDirectTopic(topic)
    return this.#handlers.onRequest(topic, handler)
  }

  /** To be called at `nextDeadlineMs`, or at any time. Does about 10 ms of work at most. */
  tick(): void {
    const nowMs = this.#given.nowMs()
    this.#post.tick(nowMs)
    this.#inbox.tick(nowMs)
  }

  /** Ask again after each call, and when `deadlineMoved` was called. Infinity: nothing is due. */
  nextDeadlineMs(): number {
    return Math.min(this.#post.nextDeadlineMs(), this.#inbox.nextDeadlineMs())
  }

  /** Nothing is sent or taken any more; what waits rejects with MeshError `not-running`. */
  close(): void {
    if (this.#closed !== null) return
    this.#closed = new MeshError('not-running', 'this node has stopped')
    this.#handlers.close()
    this.#inbox.close()
    this.#post.close(this.#closed)
  }

  #open(frame: DirectFrame, link: DirectLink, nowMs: number): void {
    const opened = this.#envelopes.open(frame)
    if (opened === null) {
      this.#ignored.unopened++
      return
    }
    let content: Content | null
    try {
      content = decodeContent(opened.plain)
    } catch (error) {
      // Its source's doing, and no neighbour could see it.
      if (!(error instanceof MeshError)) throw error
      this.#ignored.malformed++
      return
    }
    if (content === null) {
      this.#ignored.unknownKind++
      return
    }
    const { hops, flooding } = frame
    const arrival = { from: opened.source, linkKey: link.key, hops, flooding }
    if (this.#inbox.received(content, arrival, nowMs)) this.#relay.routes.proven(frame.sourceKey, link.key, nowMs)
    if (this.#post.nextDeadlineMs() <= nowMs) this.#post.tick(nowMs, TRIES_AT_ONCE)
  }

  /** Tells the source of an envelope that its way ends here. Bounded: anyone can name anyone as a source. */
  #noWay(frame: DirectFrame): void {
    const nowMs = this.#given.nowMs()
    const source = this.#notices.take(nowMs) ? this.#given.identities.admit(frame.source) : null
    if (source === null) {
      this.counters.relay.dropped++
      return
    }
    this.counters.relay.unreachable++
    const payload = this.#given.primitives.sha256(frame.envelope)
    const notice = { kind: Kind.error, answered: null, topic: Trouble.unreachable, payload, flooding: false }
    this.#post.tell(source, notice, nowMs)
  }

  async #sendAndWait(
    kind: number,
    peer: string,
    topic: string,
    payload: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<{ payload: Uint8Array; hops: number }> {
    if (this.#closed !== null) throw this.#closed
    if (kind !== Kind.question) checkDirectTopic(topic)
    const to = this.#given.identities.admit(publicKeyOfPeerId(peer))
    if (to === null) throw new MeshError('bad-peer-id', 'this peer id is no acceptable identity')
    if (to.key === this.#given.keyPair.identity.key)
      throw new MeshError('bad-argument', 'that peer is this node itself')
    if (signal?.aborted) throw aborted(signal)
    return new Promise((resolve, reject) => {
      const nowMs = this.#given.nowMs()
      let abort: (() => void) | null = null
      const settle = (error: MeshError | null, answer: Uint8Array, hops: number): void => {
        if (abort !== null) signal?.removeEventListener('abort', abort)
        if (error === null) resolve({ payload: answer, hops })
        else reject(error)
      }
      const what = { kind, answered: null, topic, payload: copyBytes(payload), floodsFirst: false, settle }
      const waiting = this.#post.send(to, { ...what, endMs: nowMs + timeoutMs }, nowMs)
      if (signal !== undefined) {
        abort = () => this.#post.cancel(waiting, aborted(signal))
        signal.addEventListener('abort', abort)
      }
      this.#given.deadlineMoved()
    })
  }
}

/** Throws MeshError `bad-topic`. */
export function checkDirectTopic(topic: string): void {
  if (typeof topic === 'string' && topic.isWellFormed() && isDirectTopic(topic) && !topic.startsWith(RESERVED_PREFIX))
    return
  const text = `a topic is text of 1 to 255 bytes without '+', '#' or U+0000, and does not begin with ${RESERVED_PREFIX}`
  throw new MeshError('bad-topic', text)
}

function checkTimeout(timeoutMs: number): number {
  if (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs
  throw new MeshError('bad-argument', `timeoutMs must be a whole number from 1 to ${TIMEOUT_MS_MAX}`)
}

function aborted(signal: AbortSignal): MeshError {
  return new MeshError('aborted', 'the call was aborted', { cause: signal.reason })
}
