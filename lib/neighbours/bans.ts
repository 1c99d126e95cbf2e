// Who has sent provably wrong things, how often, and until when nobody here talks to it. Bans are by Identity.key, never by
// address. It closes nothing: the table does. docs/protocol.md section 13.

import type { Identity } from '../identity/identities.ts'
import { BAN_ENTRIES_MAX } from '../limits.ts'

/** Ten rejects within one half-life ban: few enough to cost little work, many enough to forgive a broken relay. */
export const REJECT_POINTS = 10
/** What a check of the program rejects is wrong in its opinion alone. */
export const JUDGED_POINTS = 1
/** Who passes such messages on need not know of it: that alone never bans, or one origin could turn honest nodes on each other. */
export const PASSED_ON_POINTS_MAX = 50
export const BAN_AT_POINTS = 100
export const POINTS_HALVE_EVERY_MS: number = 10 * 60_000
export const BAN_FIRST_MS: number = 10 * 60_000
export const BAN_MAX_MS: number = 24 * 3_600_000
/** After this long without a ban the next one starts from `BAN_FIRST_MS` again. */
export const BANS_FORGOTTEN_AFTER_MS: number = 24 * 3_600_000

/** `proven` by the bytes alone; or rejected by a check of this program: `published` by that peer itself, or `passed-on` by it. */
export type Blame = 'proven' | 'published' | 'passed-on'

export interface Ban {
  readonly identity: Identity
  readonly untilMs: number
}

interface Entry {
  readonly identity: Identity
  points: number
  /** When the points were last halved, or first given. */
  halvedAtMs: number
  /** Bans that still count for doubling. */
  bans: number
  bannedUntilMs: number
}

/** At most BAN_ENTRIES_MAX identities. At the bound the least of them makes room: see `#least`. */
export class Bans {
  readonly #entries = new Map<string, Entry>()

  get size(): number {
    return this.#entries.size
  }

  /**
   * Gives `identity` the points of one reject. Returns the length of the ban in milliseconds when this one was too much, else
   * null. While a ban is in force nothing is added: what was still under way when it began does not lengthen it.
   */
  reject(identity: Identity, nowMs: number, blame: Blame = 'proven'): number | null {
    const entry = this.#entryOf(identity, nowMs)
    if (entry.bannedUntilMs > nowMs) return null
    if (blame === 'passed-on' && entry.points >= PASSED_ON_POINTS_MAX) return null
    if (entry.points === 0) entry.halvedAtMs = nowMs
    entry.points += blame === 'proven' ? REJECT_POINTS : JUDGED_POINTS
    if (entry.points < BAN_AT_POINTS) return null
    const lengthMs = Math.min(BAN_MAX_MS, BAN_FIRST_MS * 2 ** entry.bans)
    entry.points = 0
    entry.bans++
    entry.bannedUntilMs = nowMs + lengthMs
    return lengthMs
  }

  /** When the ban in force on this Identity.key ends, or null where there is none. */
  untilMs(key: string, nowMs: number): number | null {
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.bannedUntilMs > nowMs ? entry.bannedUntilMs : null
  }

  /** The bans in force. */
  *inForce(nowMs: number): IterableIterator<Ban> {
    for (const { identity, bannedUntilMs } of this.#entries.values()) {
      if (bannedUntilMs > nowMs) yield { identity, untilMs: bannedUntilMs }
    }
  }

  #entryOf(identity: Identity, nowMs: number): Entry {
    const known = this.#entries.get(identity.key)
    if (known !== undefined) {
      decay(known, nowMs)
      return known
    }
    if (this.#entries.size >= BAN_ENTRIES_MAX) this.#entries.delete(this.#least(nowMs))
    const entry: Entry = { identity, points: 0, halvedAtMs: nowMs, bans: 0, bannedUntilMs: 0 }
    this.#entries.set(identity.key, entry)
    return entry
  }

  /**
   * Who is forgotten at the bound: one that is not banned before one that is, then fewer bans, then fewer points, then the
   * older entry; among the banned the one whose ban ends first. So fresh identities push out each other, not the worst.
   */
  #least(nowMs: number): string {
    let least: Entry | null = null
    for (const entry of this.#entries.values()) {
      decay(entry, nowMs)
      if (least === null || order(entry, least, nowMs) < 0) least = entry
    }
    return least!.identity.key
  }
}

/** Points fall in steps of a whole half-life, so that ten rejects are ten rejects however many milliseconds they took. */
function decay(entry: Entry, nowMs: number): void {
  const steps = Math.floor((nowMs - entry.halvedAtMs) / POINTS_HALVE_EVERY_MS)
  if (steps > 0) {
    entry.points /= 2 ** steps
    if (entry.points < 1) entry.points = 0
    entry.halvedAtMs += steps * POINTS_HALVE_EVERY_MS
  }
  if (entry.bans > 0 && nowMs - entry.bannedUntilMs >= BANS_FORGOTTEN_AFTER_MS) entry.bans = 0
}

function order(a: Entry, b: Entry, nowMs: number): number {
  const remainingMs = Math.max(0, a.bannedUntilMs - nowMs) - Math.max(0, b.bannedUntilMs - nowMs)
  return remainingMs || a.bans - b.bans || a.points - b.points
}
