// Which topics were heard lately, and how much on each: a bounded table for people. Not what anyone subscribed to, and no
// part of routing. docs/api.md, "Topics".

import type { BundleMessages } from './bundle.ts'

/** What nobody could read through; a topic costs about 200 bytes. */
export const TOPICS_COUNTED_MAX = 4_096
/** Entries that may be passed over in the search for one that has not been heard since it was last looked at. */
const LOOKS_MAX = 8

/** One topic as far as it was heard since the node started, or since it came into the table. */
export interface TopicCount {
  readonly topic: string
  readonly messages: number
  /** Of payloads. */
  readonly bytes: number
  /** Time since the last message. */
  readonly lastMs: number
}

interface Entry {
  messages: number
  bytes: number
  heardMs: number
  /** It was heard since it took its place in the order. */
  isUsed: boolean
}

export class TopicCounts {
  readonly #entries = new Map<string, Entry>()
  readonly #topicsMax: number

  constructor(topicsMax: number = TOPICS_COUNTED_MAX) {
    this.#topicsMax = topicsMax
  }

  get size(): number {
    return this.#entries.size
  }

  /**
   * So many messages with so many bytes of payload came on this topic. `topic` is kept. Costs one look-up where the topic is
   * known. When the table is full, a topic that is heard no more gives way, so that made-up ones push out each other.
   */
  note(topic: string, messages: number, bytes: number, nowMs: number): void {
    const known = this.#entries.get(topic)
    if (known !== undefined) {
      known.messages += messages
      known.bytes += bytes
      known.heardMs = nowMs
      known.isUsed = true
      return
    }
    if (this.#entries.size >= this.#topicsMax) this.#makeRoom()
    this.#entries.set(topic, { messages, bytes, heardMs: nowMs, isUsed: false })
  }

  /** As `note`, for all messages of a bundle: once for those in a row on one topic. */
  noteAll({ topics, payloads }: BundleMessages, nowMs: number): void {
    let [first, bytes] = [0, 0]
    for (let i = 0; i < topics.length; i++) {
      bytes += payloads[i * 2 + 1]! - payloads[i * 2]!
      if (topics[i + 1] === topics[first]) continue
      this.note(topics[first]!, i + 1 - first, bytes, nowMs)
      first = i + 1
      bytes = 0
    }
  }

  /** All of them, those heard last first. */
  snapshot(nowMs: number): TopicCount[] {
    const counts = Array.from(this.#entries, ([topic, { messages, bytes, heardMs }]) => {
      return { topic, messages, bytes, lastMs: Math.max(0, Math.round(nowMs - heardMs)) }
    })
    return counts.sort((a, b) => a.lastMs - b.lastMs || (a.topic < b.topic ? -1 : 1))
  }

  /** The oldest of the order goes; one that was heard since it came there goes to the end once. */
  #makeRoom(): void {
    for (let looks = 0; ; looks++) {
      const oldest = this.#entries.entries().next()
      if (oldest.done) return
      const [topic, entry] = oldest.value
      this.#entries.delete(topic)
      if (!entry.isUsed || looks >= LOOKS_MAX) return
      entry.isUsed = false
      this.#entries.set(topic, entry)
    }
  }
}
