// Topics and the patterns that subscribe to them: MQTT's rules (OASIS MQTT 5.0, section 4.7). docs/protocol.md, "Topics".

import { MeshError } from '../errors.ts'
import { TOPIC_BYTES_MAX } from '../limits.ts'

/** Topics below this prefix belong to the mesh itself; programs cannot publish there. */
export const RESERVED_PREFIX = '$mesh/'

/** True when `topic` may stand in a bundle: no U+0000 and no wildcard. Its length is the caller's to check. */
export function isTopicText(topic: string): boolean {
  for (let i = 0; i < topic.length; i++) {
    const unit = topic.charCodeAt(i)
    if (unit === 0x00 || unit === 0x23 || unit === 0x2b) return false
  }
  return topic.length > 0
}

/** Checks a topic that a program wants to publish on. Throws MeshError `bad-topic`. */
export function checkTopic(topic: string): void {
  if (typeof topic !== 'string' || !isTopicText(topic) || !topic.isWellFormed() || tooLong(topic)) {
    throw new MeshError('bad-topic', `a topic is text of 1 to ${TOPIC_BYTES_MAX} bytes without '+', '#' or U+0000`)
  }
  if (topic.startsWith(RESERVED_PREFIX)) {
    throw new MeshError('bad-topic', `topics that begin with ${RESERVED_PREFIX} belong to the mesh itself`)
  }
}

function tooLong(text: string): boolean {
  return text.length > TOPIC_BYTES_MAX || Buffer.byteLength(text) > TOPIC_BYTES_MAX
}

/** A subscription's pattern, ready to be matched. */
export class TopicPattern {
  readonly text: string
  /** True when it has no wildcard, so that it matches exactly the topic of the same text. */
  readonly exact: boolean
  readonly #levels: readonly string[]

  /** Throws MeshError `bad-topic` when a wildcard does not stand alone in its level or `#` is not the last. */
  constructor(text: string) {
    if (typeof text !== 'string' || text.length === 0 || !text.isWellFormed() || text.includes('\0') || tooLong(text)) {
      throw new MeshError('bad-topic', `a topic pattern is text of 1 to ${TOPIC_BYTES_MAX} bytes without U+0000`)
    }
    const levels = text.split('/')
    levels.forEach((level, index) => {
      if (level.length > 1 && /[+#]/.test(level)) {
        throw new MeshError('bad-topic', `in the pattern ${JSON.stringify(text)}, '+' and '#' must fill a whole level`)
      }
      if (level === '#' && index !== levels.length - 1) {
        throw new MeshError('bad-topic', `in the pattern ${JSON.stringify(text)}, '#' must be the last level`)
      }
    })
    this.text = text
    this.#levels = levels
    this.exact = !levels.includes('+') && levels.at(-1) !== '#'
  }

  matches(topic: string): boolean {
    if (this.exact) return topic === this.text
    const levels = this.#levels
    // A leading wildcard does not reach topics of the system's own (MQTT 5.0, section 4.7.2).
    if (topic.startsWith('$') && !levels[0]!.startsWith('$')) return false
    const given = topic.split('/')
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i]
      if (level === '#') return true
      if (i >= given.length) return false
      if (level !== '+' && level !== given[i]) return false
      // `a/#` also matches its parent `a`.
      if (i === given.length - 1 && levels.length === given.length + 1 && levels[i + 1] === '#') return true
    }
    return levels.length === given.length
  }
}
