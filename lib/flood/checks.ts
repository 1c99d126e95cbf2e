// The checks that this program has registered for what comes in, by topic pattern, and the share of messages that each has
// not accepted lately. Runs nothing and holds no bundle: validation.ts does. docs/protocol.md, "Verdicts".

import { MeshError } from '../errors.ts'
import type { Check, CheckVerdict, ValidateOptions } from '../types.ts'
import { RESERVED_PREFIX, TopicPattern } from './topics.ts'

/** Each costs a comparison for each new topic, and 1,000 bytes. */
export const CHECKS_MAX = 1_024
export const CHECK_TIMEOUT_MS = 5_000
export const CHECK_TIMEOUT_MS_MAX = 60_000
/** Messages over which the share of bad ones is taken. */
export const SHARE_MESSAGES = 1_000
/** Fewer say nothing. */
export const SHARE_MESSAGES_MIN = 100
export const SHARE_WARNING_EVERY_MS = 60_000
/** Topics whose checks are remembered; when full, the memory starts afresh. */
const CACHED_TOPICS_MAX = 4_096
const OPTIONS: readonly string[] = ['timeoutMs', 'badShare']

const NONE: readonly Registration[] = []

type Warn = (code: string, text: string) => void

/** One registered check. */
export class Registration {
  readonly pattern: TopicPattern
  readonly check: Check
  readonly timeoutMs: number
  /** It was taken back. */
  isOver = false
  /** It has given a promise before, so that its next verdict may take room to wait for. */
  answersLater = false
  readonly #badShare: number
  readonly #warn: Warn
  /** The last verdicts in a ring: 1 where the message was not accepted. */
  readonly #window = new Uint8Array(SHARE_MESSAGES)
  #noted = 0
  #bad = 0
  #warnedAtMs = Number.NEGATIVE_INFINITY

  constructor(pattern: TopicPattern, check: Check, { timeoutMs, badShare }: Required<ValidateOptions>, warn: Warn) {
    this.pattern = pattern
    this.check = check
    this.timeoutMs = timeoutMs
    this.#badShare = badShare
    this.#warn = warn
  }

  /** One message was judged, or its verdict was not waited for any longer. Warns when too many were bad. */
  note(isAccepted: boolean, nowMs: number): void {
    const at = this.#noted % SHARE_MESSAGES
    this.#bad += (isAccepted ? 0 : 1) - this.#window[at]!
    this.#window[at] = isAccepted ? 0 : 1
    this.#noted++
    if (isAccepted || this.#noted < SHARE_MESSAGES_MIN) return
    const messages = Math.min(this.#noted, SHARE_MESSAGES)
    if (this.#bad <= this.#badShare * messages || nowMs - this.#warnedAtMs < SHARE_WARNING_EVERY_MS) return
    this.#warnedAtMs = nowMs
    const share = `${this.#bad} of the last ${messages} messages`
    this.#warn('bad-share', `${share} that the check of ${this.pattern.text} saw were not accepted`)
  }

  /** What the check said, or `ignore` with a warning where it said nothing that is a verdict. */
  verdictOf(said: unknown): CheckVerdict {
    if (said === 'accept' || said === 'ignore' || said === 'reject') return said
    this.#warn('handler-failed', `the check of ${this.pattern.text} gave neither 'accept' nor 'ignore' nor 'reject'`)
    return 'ignore'
  }

  /** The check threw, or its promise was rejected. */
  failed(reason: string): CheckVerdict {
    this.#warn('handler-failed', `the check of ${this.pattern.text} threw: ${reason}`)
    return 'ignore'
  }
}

/** All checks of one program. */
export class Checks {
  /** False while nothing is registered: then nothing that comes in pays for this. */
  isActive = false
  readonly #warn: Warn
  readonly #registrations = new Set<Registration>()
  readonly #cache = new Map<string, readonly Registration[]>()

  /** `warn` hears of checks that fail (`handler-failed`) and of those that accept too little (`bad-share`). */
  constructor(warn: Warn) {
    this.#warn = warn
  }

  /**
   * Registers `check` for topics that match `pattern`; returns what takes it back. Throws MeshError `bad-topic` (also for the
   * mesh's own topics), `bad-argument`, `too-large`.
   */
  register(pattern: string, check: Check, options: ValidateOptions = {}): () => void {
    const topics = new TopicPattern(pattern)
    if (pattern.startsWith(RESERVED_PREFIX)) {
      throw new MeshError('bad-topic', `topics that begin with ${RESERVED_PREFIX} are checked by the mesh itself`)
    }
    if (typeof check !== 'function') throw new MeshError('bad-argument', 'a check must be a function')
    const resolved = resolve(options)
    if (this.#registrations.size >= CHECKS_MAX) {
      throw new MeshError('too-large', `at most ${CHECKS_MAX} checks; take some back first`)
    }
    const registration = new Registration(topics, check, resolved, this.#warn)
    this.#registrations.add(registration)
    this.#changed()
    return () => {
      registration.isOver = true
      if (this.#registrations.delete(registration)) this.#changed()
    }
  }

  /** Those that check this topic, in the order of registration; the same array until one comes or goes. */
  matching(topic: string): readonly Registration[] {
    const known = this.#cache.get(topic)
    if (known !== undefined) return known
    const found: Registration[] = []
    for (const registration of this.#registrations) if (registration.pattern.matches(topic)) found.push(registration)
    if (this.#cache.size >= CACHED_TOPICS_MAX) this.#cache.clear()
    const result = found.length === 0 ? NONE : found
    this.#cache.set(topic, result)
    return result
  }

  #changed(): void {
    this.isActive = this.#registrations.size > 0
    this.#cache.clear()
  }
}

function resolve(given: ValidateOptions): Required<ValidateOptions> {
  if (typeof given !== 'object' || given === null) throw bad('the options of a check must be an object')
  for (const key of Object.keys(given)) {
    if (!OPTIONS.includes(key)) throw bad(`unknown option ${key} of a check; known are ${OPTIONS.join(', ')}`)
  }
  const { timeoutMs = CHECK_TIMEOUT_MS, badShare = 0.5 } = given
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > CHECK_TIMEOUT_MS_MAX) {
    throw bad(`timeoutMs must be a whole number from 1 to ${CHECK_TIMEOUT_MS_MAX}`)
  }
  if (typeof badShare !== 'number' || !(badShare >= 0 && badShare <= 1)) throw bad('badShare must be from 0 to 1')
  return { timeoutMs, badShare }
}

function bad(text: string): MeshError {
  return new MeshError('bad-argument', text)
}
