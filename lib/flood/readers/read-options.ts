// What a program asks of a subscription, checked once. With none of `since`, `order` and `durable` it is a live one, which
// this folder has nothing to do with. docs/guide.md, "History".

import { checkSignal } from '../../call-options.ts'
import { MeshError } from '../../errors.ts'
import type { SubscribeOptions } from '../../types.ts'
import { parseSince, type Since } from './since.ts'

/** Messages that wait for a slow reader, unless it says otherwise. */
export const QUEUE_MAX = 10_000
export const GAP_TIMEOUT_MS = 30_000
export const DURABLE_NAME_BYTES_MAX = 128
const GAP_TIMEOUT_MS_MAX = 86_400_000
const KNOWN = ['since', 'order', 'gapTimeoutMs', 'durable', 'ack', 'queueMax', 'overflow', 'signal']

/** What this node keeps, as its options say. */
export interface Storage {
  /** False when `store.bytesMax` is 0. */
  readonly keepsBundles: boolean
  /** True where there is a data folder. */
  readonly isDurable: boolean
}

/** A subscription that hears what is live, as it comes. */
export interface LiveOptions {
  readonly kind: 'live'
  readonly queueMax: number
}

/** A subscription that reads the store. */
export interface ReadOptions {
  readonly kind: 'read'
  readonly since: Since | null
  readonly order: 'arrival' | 'origin'
  readonly gapTimeoutMs: number
  readonly durable: string | null
  readonly ack: 'auto' | 'manual'
  readonly queueMax: number
  readonly overflow: 'pause' | 'drop'
}

/**
 * Throws MeshError `bad-argument` on a wrong or unknown option, `bad-option` when this node does not keep what such a
 * subscription needs.
 */
export function resolveSubscribeOptions(given: SubscribeOptions, storage: Storage): LiveOptions | ReadOptions {
  if (typeof given !== 'object' || given === null) throw bad('subscription options must be an object')
  for (const key of Object.keys(given)) {
    if (!KNOWN.includes(key)) throw bad(`unknown subscription option ${key}; known are ${KNOWN.join(', ')}`)
  }
  checkSignal(given.signal)
  const queueMax = given.queueMax ?? QUEUE_MAX
  if (!Number.isInteger(queueMax) || queueMax < 1) throw bad('queueMax must be a whole number of at least 1')
  const order = oneOf('order', given.order, ['arrival', 'origin'])
  const ack = oneOf('ack', given.ack, ['auto', 'manual'])
  const overflow = oneOf('overflow', given.overflow, ['pause', 'drop'])
  const gapTimeoutMs = given.gapTimeoutMs ?? GAP_TIMEOUT_MS
  if (!Number.isInteger(gapTimeoutMs) || gapTimeoutMs < 1 || gapTimeoutMs > GAP_TIMEOUT_MS_MAX) {
    throw bad(`gapTimeoutMs must be a whole number from 1 to ${GAP_TIMEOUT_MS_MAX}`)
  }
  const since = given.since === undefined ? null : parseSince(given.since)
  const durable = given.durable ?? null
  if (durable !== null) checkName(durable)
  if (ack === 'manual' && durable === null) {
    throw bad("ack 'manual' needs durable: nothing else keeps what was acknowledged")
  }
  if (since === null && order === null && durable === null) {
    if (overflow === 'pause') {
      throw bad("overflow 'pause' needs since, order or durable: what is live cannot be held back, only the store can")
    }
    return { kind: 'live', queueMax }
  }
  if (durable !== null && overflow === 'drop') {
    throw bad("overflow 'drop' and durable exclude each other: what a durable reader drops would count as done")
  }
  checkStorage(durable, storage)
  return {
    kind: 'read',
    since,
    order: order ?? 'arrival',
    gapTimeoutMs,
    durable,
    ack: ack ?? 'auto',
    queueMax,
    overflow: overflow ?? 'pause',
  }
}

function checkStorage(durable: string | null, { keepsBundles, isDurable }: Storage): void {
  if (durable !== null && !isDurable) {
    throw new MeshError('bad-option', 'a durable subscription needs option dataDir: without it nothing is kept')
  }
  if (!keepsBundles) {
    const text = 'a subscription with since, order or durable reads the store; option store.bytesMax must not be 0'
    throw new MeshError('bad-option', text)
  }
}

function checkName(name: string): void {
  const isText = typeof name === 'string' && name.isWellFormed() && !name.includes('\0')
  if (!isText || name.length === 0 || Buffer.byteLength(name) > DURABLE_NAME_BYTES_MAX) {
    throw bad(`durable must be a name of 1 to ${DURABLE_NAME_BYTES_MAX} bytes without U+0000`)
  }
}

function oneOf<T extends string>(name: string, given: T | undefined, allowed: readonly T[]): T | null {
  if (given === undefined) return null
  if (!allowed.includes(given)) throw bad(`${name} must be ${allowed.map((one) => `'${one}'`).join(' or ')}`)
  return given
}

function bad(text: string): MeshError {
  return new MeshError('bad-argument', text)
}
