// What a node does with envelopes of others, and how its own leave: each once, by the known way, else to everybody within a
// budget, never back where it came from. It sees who writes to whom, how much and when, and nothing else. docs/protocol.md,
// "On the way".

import { copyBytes } from '../bytes.ts'
import { DIRECT_FLOOD_BYTES_MAX, DIRECT_FLOODS_PER_SECOND_MAX, HOPS_MAX } from '../limits.ts'
import { Budget } from './budget.ts'
import { type DirectFrame, HEADER_BYTES, setHops } from './envelope.ts'
import { type DirectLink, Routes } from './routes.ts'

/** The open links, as places to put frames of type `direct`. Bodies are given away: nobody writes to them any more. */
export interface DirectLinks {
  /** False: that link is gone or takes no more; the body was not taken. */
  send(linkKey: string, body: Uint8Array): boolean
  /** Queues it on every open link but that one (null: on all). How many took it. */
  flood(body: Uint8Array, exceptLinkKey: string | null): number
}

/**
 * `routed`: on its way over one link. `flooded`: over all. `held`: it would have to flood, and too many did within the last
 * second. `no-way`: there is no link, or none is known and it is too large to flood.
 */
export type Departure = 'routed' | 'flooded' | 'held' | 'no-way'

export interface RelayCounters {
  /** Envelopes of others that went on by a known way, and to everybody. */
  relayed: number
  flooded: number
  /** Those that could not: a link took no more, or too many flooded. */
  dropped: number
  /** Those whose source was told that there is no way. */
  unreachable: number
}

export class Relay {
  readonly routes: Routes = new Routes()
  readonly counters: RelayCounters = { relayed: 0, flooded: 0, dropped: 0, unreachable: 0 }
  readonly #links: DirectLinks
  readonly #noWay: (frame: DirectFrame) => void
  readonly #ownFloods = new Budget(DIRECT_FLOODS_PER_SECOND_MAX)

  /** `noWay`: an envelope too large to flood came, and no way is known; its source should be told. */
  constructor(links: DirectLinks, noWay: (frame: DirectFrame) => void) {
    this.#links = links
    this.#noWay = noWay
  }

  /** Counts and reports what has come as far as anything may. */
  dropsExhausted(frame: DirectFrame): boolean {
    if (frame.hops < HOPS_MAX) return false
    this.counters.dropped++
    return true
  }

  /** Passes on what `from` brought and what is not for this node, not exhausted. `body` is what `frame` was read from; it is copied. */
  forward(body: Uint8Array, frame: DirectFrame, from: DirectLink, nowMs: number): void {
    const route = this.#wayOf(frame, from, nowMs)
    const isLarge = frame.envelope.length > DIRECT_FLOOD_BYTES_MAX
    if (route === null && isLarge) {
      this.#noWay(frame)
      return
    }
    const onward = copyBytes(body)
    setHops(onward, frame.hops + 1, frame.flooding)
    const onlyRoute = route !== null && (!frame.flooding || route.originKey === frame.destinationKey)
    if (!onlyRoute && from.floods.take(nowMs)) {
      if (this.#links.flood(onward, from.key) > 0) this.counters.flooded++
      else this.counters.dropped++
      return
    }
    if (route !== null && this.#links.send(route.key, onward)) this.counters.relayed++
    else this.counters.dropped++
  }

  /** What `dispatch` could do at best, so that nothing need be sealed in vain. Changes nothing. */
  foresee(destinationKey: string, isLarge: boolean, nowMs: number): 'possible' | 'held' | 'no-way' {
    if (this.routes.find(destinationKey, nowMs) !== null) return 'possible'
    if (isLarge || this.routes.counts.links === 0) return 'no-way'
    return this.#ownFloods.has(nowMs) ? 'possible' : 'held'
  }

  /** Sends an envelope of our own. `body` is given away. A flood has at most DIRECT_FLOOD_BYTES_MAX of envelope. */
  dispatch(body: Uint8Array, destinationKey: string, flooding: boolean, nowMs: number): Departure {
    if (!flooding && this.#sendByRoute(body, destinationKey, nowMs)) return 'routed'
    if (body.length - HEADER_BYTES > DIRECT_FLOOD_BYTES_MAX || this.routes.counts.links === 0) return 'no-way'
    if (this.#ownFloods.take(nowMs)) {
      setHops(body, 1, flooding)
      return this.#links.flood(body, null) > 0 ? 'flooded' : 'no-way'
    }
    return flooding && this.#sendByRoute(body, destinationKey, nowMs) ? 'routed' : 'held'
  }

  #sendByRoute(body: Uint8Array, destinationKey: string, nowMs: number): boolean {
    const route = this.routes.find(destinationKey, nowMs)
    return route !== null && this.#links.send(route.key, body)
  }

  /** A way that does not lead back; whether it is to be used is the caller's to say. */
  #wayOf(frame: DirectFrame, from: DirectLink, nowMs: number): DirectLink | null {
    const route = this.routes.find(frame.destinationKey, nowMs)
    return route === from ? null : route
  }
}
