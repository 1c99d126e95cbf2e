// What came for this node and was opened: takes each message and request once, hands it on, and answers. What was sent from
// here is post.ts, whose answers come in here too. docs/protocol.md, "Replay" and "Requests".

import { EMPTY } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import type { Identity } from '../identity/identities.ts'
import { type Content, Kind, type Numbered, Trouble } from './content.ts'
import { textKey } from './envelope.ts'
import { failureText } from './failure-text.ts'
import type { DirectMessage, Handlers } from './handlers.ts'
import type { OwnEpochs } from './own-epochs.ts'
import type { Post } from './post.ts'
import { RecentMap } from './recent-map.ts'
import type { Sources } from './sources.ts'

/** A request that is answered within this needs no acknowledgement: the reply is one. */
export const ACKNOWLEDGE_AFTER_MS = 200
/** Messages refused lately, so that a second copy is refused too and not acknowledged. */
const REFUSED_MAX = 4_096
const ACKNOWLEDGEMENTS_PER_TICK = 16

export interface InboxOptions {
  readonly post: Post
  readonly sources: Sources
  readonly ownEpochs: OwnEpochs
  readonly handlers: Handlers
  nowMs(): number
}

/** How an opened envelope came. */
export interface Arrival {
  readonly from: Identity
  readonly linkKey: string
  readonly hops: number
  readonly flooding: boolean
}

/** What was opened and had no effect, by reason. */
export interface InboxIgnored {
  duplicate: number
  /** Sealed for another epoch than ours. */
  epoch: number
  /** Of an epoch of its source before all that are kept. */
  old: number
  busy: number
  /** Nothing here takes that topic. */
  refused: number
  /** It answers what does not wait. */
  unexpected: number
}

export interface InboxCounters {
  messages: number
  requests: number
  readonly ignored: InboxIgnored
}

interface Unacknowledged {
  readonly number: Numbered
  readonly arrival: Arrival
  readonly dueMs: number
}

export class Inbox {
  readonly counters: InboxCounters = {
    messages: 0,
    requests: 0,
    ignored: { duplicate: 0, epoch: 0, old: 0, busy: 0, refused: 0, unexpected: 0 },
  }
  readonly #given: InboxOptions
  readonly #refused = new RecentMap<true>(REFUSED_MAX)
  /** Requests whose handlers still run, oldest first. */
  readonly #unacknowledged = new Map<string, Unacknowledged>()

  constructor(options: InboxOptions) {
    this.#given = options
  }

  /** True when it proves by itself that its source is there now: it is no recording. */
  received(content: Content, arrival: Arrival, nowMs: number): boolean {
    const isFresh = this.#handle(content, arrival, nowMs)
    if (isFresh) this.#given.post.learn(arrival.from, content.epoch, nowMs)
    return isFresh
  }

  /** Acknowledges the requests whose handlers take their time. */
  tick(nowMs: number): void {
    let left = ACKNOWLEDGEMENTS_PER_TICK
    for (const [name, { arrival, number, dueMs }] of this.#unacknowledged) {
      if (dueMs > nowMs || left-- === 0) return
      this.#unacknowledged.delete(name)
      this.#tell(arrival, Kind.acknowledgement, '', number, nowMs)
    }
  }

  nextDeadlineMs(): number {
    const first = this.#unacknowledged.values().next()
    return first.done ? Number.POSITIVE_INFINITY : first.value.dueMs
  }

  close(): void {
    this.#unacknowledged.clear()
  }

  #handle(content: Content, arrival: Arrival, nowMs: number): boolean {
    const { kind } = content
    if (kind === Kind.message || kind === Kind.request) return this.#take(content, arrival, nowMs)
    if (kind === Kind.question) {
      this.#tell(arrival, Kind.answer, '', content, nowMs)
      return false
    }
    const isExpected = this.#isAnswer(content, arrival, nowMs)
    if (!isExpected) this.counters.ignored.unexpected++
    return isExpected
  }

  /** Whether it answers something of ours that waits. */
  #isAnswer(content: Content, arrival: Arrival, nowMs: number): boolean {
    const { post, sources, ownEpochs } = this.#given
    const { kind, answered, topic, payload } = content
    const { from, hops, linkKey } = arrival
    if (kind === Kind.acknowledgement) return post.acknowledged(from, answered!)
    if (kind === Kind.answer) return post.answered(from, answered!, content.epoch, hops, nowMs)
    if (kind === Kind.reply) {
      // Marked so that the numbers of its source leave no gaps; that it counts once follows from the request it answers.
      if (ownEpochs.isOurs(content.destinationEpoch)) sources.take(from.key, content, linkKey, nowMs)
      this.#tell(arrival, Kind.acknowledgement, '', content, nowMs)
      return post.replied(from, answered!, topic === '' ? null : errorOf(from, topic, payload), payload, hops)
    }
    switch (topic) {
      case Trouble.unreachable:
        return post.unreachable(textKey(payload), nowMs)
      case Trouble.epoch:
        return post.wrongEpoch(from, answered!, content.epoch, nowMs)
      case Trouble.busy:
        // It may have room when the next try comes.
        return post.busy(from, answered!)
      default:
        return post.refused(from, answered!, errorOf(from, topic, payload))
    }
  }

  /** A message or a request; true when it was new. */
  #take(content: Content, arrival: Arrival, nowMs: number): boolean {
    const { ownEpochs, sources, handlers } = this.#given
    const { ignored } = this.counters
    const { from, linkKey } = arrival
    const isRequest = content.kind === Kind.request
    if (!ownEpochs.isOurs(content.destinationEpoch)) {
      ignored.epoch++
      this.#tell(arrival, Kind.error, Trouble.epoch, content, nowMs)
      return false
    }
    const isBusy = isRequest && handlers.isFull(content.payload.length) && !sources.isTaken(from.key, content)
    const taking = isBusy ? 'no-room' : sources.take(from.key, content, linkKey, nowMs)
    const name = `${from.key}/${content.epoch}/${content.sequence}`
    switch (taking) {
      case 'too-old':
        ignored.old++
        return false
      case 'no-room':
        ignored.busy++
        this.#tell(arrival, Kind.error, Trouble.busy, content, nowMs)
        return false
      case 'taken':
        ignored.duplicate++
        this.#again(name, content, arrival, nowMs)
        return false
      case 'new':
        if (isRequest) this.#run(name, content, arrival, nowMs)
        else this.#deliver(name, content, arrival, nowMs)
        return true
    }
  }

  /** The answer to the first copy may have been lost. */
  #again(name: string, content: Content, arrival: Arrival, nowMs: number): void {
    if (this.#refused.get(name)) return this.#tell(arrival, Kind.error, Trouble.noHandler, content, nowMs)
    this.#unacknowledged.delete(name)
    this.#tell(arrival, Kind.acknowledgement, '', content, nowMs)
  }

  #deliver(name: string, content: Content, arrival: Arrival, nowMs: number): void {
    if (!this.#given.handlers.takesMessages(content.topic)) {
      this.counters.ignored.refused++
      this.#refused.set(name, true)
      return this.#tell(arrival, Kind.error, Trouble.noHandler, content, nowMs)
    }
    this.counters.messages++
    this.#tell(arrival, Kind.acknowledgement, '', content, nowMs)
    this.#given.handlers.deliver(messageOf(content, arrival.from))
  }

  #run(name: string, content: Content, arrival: Arrival, nowMs: number): void {
    this.counters.requests++
    const number: Numbered = { epoch: content.epoch, sequence: content.sequence }
    this.#unacknowledged.set(name, { number, arrival, dueMs: nowMs + ACKNOWLEDGE_AFTER_MS })
    this.#given.handlers.run(messageOf(content, arrival.from), (trouble, payload) => {
      this.#unacknowledged.delete(name)
      this.#given.post.send(
        arrival.from,
        {
          kind: Kind.reply,
          answered: number,
          topic: trouble,
          payload,
          // Whoever flooded found the known way dead, or knew none.
          floodsFirst: arrival.flooding,
          endMs: Number.POSITIVE_INFINITY,
          settle: () => {},
        },
        this.#given.nowMs(),
      )
    })
  }

  #tell(arrival: Arrival, kind: number, topic: string, about: Numbered, nowMs: number): void {
    const answered = { epoch: about.epoch, sequence: about.sequence }
    this.#given.post.tell(arrival.from, { kind, answered, topic, payload: EMPTY, flooding: arrival.flooding }, nowMs)
  }
}

function messageOf(content: Content, from: Identity): DirectMessage {
  const { topic, payload, epoch, sequence } = content
  return { from: from.id, topic, data: payload, id: `${from.id}/${epoch}/${sequence}` }
}

function errorOf(from: Identity, trouble: string, payload: Uint8Array): MeshError {
  if (trouble === Trouble.noHandler) return new MeshError('no-handler', `${from.id} has no handler for this topic`)
  const text = failureText(payload)
  return new MeshError('request-failed', text === '' ? `the handler of ${from.id} failed` : text)
}
