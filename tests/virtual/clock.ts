// Time that only the test moves. Events run in the order of their time; between two of them everything that promises still
// have to say is said, and at the end of a turn what asked for it is called. A bound on the events turns a livelock into a
// failure. It is no part of a node: `NodeClock` is what one node sees of it.

import type { Clock, Timer } from '../../lib/io/world.ts'

/** More in one run than any test needs: whoever gets there goes round in circles. */
export const EVENTS_MAX = 3_000_000
const START_MS = 1_000
/** 2027-01-15. */
const UNIX_START_MS = 1_800_000_000_000

/** Something that will happen. */
export interface Event {
  readonly atMs: number
  readonly order: number
  run: (() => void) | null
}

export class VirtualTime {
  /** Soonest last. */
  readonly #events: Event[] = []
  #endOfTurn: (() => void)[] = []
  #nowMs = START_MS
  #order = 0
  #running = false
  /** Events that have run. */
  eventCount = 0
  eventsMax: number = EVENTS_MAX

  get nowMs(): number {
    return this.#nowMs
  }

  get unixMs(): number {
    return UNIX_START_MS + this.#nowMs
  }

  /** Runs `run` once, so many milliseconds from now. */
  after(delayMs: number, run: () => void): Event {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#events[middle]!.atMs > event.atMs) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
    return event
  }

  atEndOfTurn(run: () => void): void {
    this.#endOfTurn.push(run)
  }

  /** Lets so much time go by. */
  async run(forMs: number): Promise<void> {
    const untilMs = this.#nowMs + forMs
    await this.#turns(untilMs, () => false)
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /** Does everything that is due now; time stands still. */
  settle(): Promise<void> {
    return this.run(0)
  }

  /** Lets time go by until the condition holds; fails when it does not within `withinMs`. */
  async until(what: string, condition: () => boolean, withinMs = 60_000): Promise<void> {
    await turnEnd()
    const reached = condition() || (await this.#turns(this.#nowMs + withinMs, condition))
    if (!reached) throw new Error(`not within ${withinMs} ms of virtual time: ${what}`)
  }

  /** What the promise resolves to; time goes by until it does. Rejects with its reason. */
  async of<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let settled = false
    const done = (): void => {
      settled = true
    }
    promise.then(done, done)
    await this.until('the promise settles', () => settled, withinMs)
    return promise
  }

  async #turns(untilMs: number, reached: () => boolean): Promise<boolean> {
    if (this.#running) throw new Error('virtual time is running already')
    this.#running = true
    const eventCountMax = this.eventCount + this.eventsMax
    try {
      await turnEnd()
      for (;;) {
        if (this.eventCount > eventCountMax) throw new Error(`no rest after ${this.eventsMax} events`)
        // What is due when the turn begins belongs to it; what that causes, to the next one.
        const orderMax = this.#order
        const next = this.#next()
        if (next !== null && next.atMs <= untilMs && (this.#endOfTurn.length === 0 || next.atMs <= this.#nowMs)) {
          this.#nowMs = Math.max(this.#nowMs, next.atMs)
          for (;;) {
            const event = this.#next()
            if (event === null || event.atMs > this.#nowMs || event.order >= orderMax) break
            await this.#happen(event)
            if (reached()) return true
          }
        } else if (this.#endOfTurn.length === 0) {
          return false
        }
        const due = this.#endOfTurn
        this.#endOfTurn = []
        for (const run of due) {
          this.eventCount++
          run()
          await turnEnd()
        }
        if (reached()) return true
      }
    } finally {
      this.#running = false
    }
  }

  async #happen(event: Event): Promise<void> {
    this.#events.pop()
    const { run } = event
    event.run = null
    this.eventCount++
    run!()
    await turnEnd()
  }

  /** The soonest event that was not cancelled. */
  #next(): Event | null {
    for (;;) {
      const event = this.#events.at(-1)
      if (event === undefined) return null
      if (event.run !== null) return event
      this.#events.pop()
    }
  }
}

/** Every promise that can go on without an event goes on: a tick that is asked for out of a promise's turn comes when none has one. */
function turnEnd(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

/** The time as one node sees it, and everything that this node still has to be called for. */
export class NodeClock implements Clock {
  /** What this machine's clock shows too much. */
  unixAheadMs = 0
  readonly #time: VirtualTime
  readonly #timers = new Set<Event>()
  #dead = false

  constructor(time: VirtualTime) {
    this.#time = time
  }

  nowMs(): number {
    return this.#time.nowMs
  }

  unixMs(): number {
    return this.#time.unixMs + this.unixAheadMs
  }

  timer(delayMs: number, run: () => void): Timer {
    if (!(delayMs >= 0 && delayMs <= 2 ** 31 - 1)) throw new Error(`a timer of ${delayMs} ms`)
    const event = this.#time.after(delayMs, () => {
      this.#timers.delete(event)
      if (!this.#dead) run()
    })
    this.#timers.add(event)
    return {
      cancel: () => {
        event.run = null
        this.#timers.delete(event)
      },
    }
  }

  endOfTurn(run: () => void): void {
    this.#time.atEndOfTurn(() => {
      if (!this.#dead) run()
    })
  }

  /** Timers that have neither run nor been cancelled. */
  get timerCount(): number {
    return this.#timers.size
  }

  /** The process is gone: nothing of it is called any more. */
  kill(): void {
    this.#dead = true
    for (const event of this.#timers) event.run = null
    this.#timers.clear()
  }
}
