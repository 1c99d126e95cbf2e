// Which way an origin lies: the link on which it was first heard lately, as a learning bridge knows it. Kept in a table of
// bounded size, forgotten with the link. It only ever says where to try first. docs/protocol.md, "On the way".

import type { Identity } from '../identity/identities.ts'
import { DIRECT_FLOODS_PER_SECOND_MAX, DIRECT_ROUTE_MS, DIRECT_ROUTES_MAX } from '../limits.ts'
import { Budget } from './budget.ts'
import { textKey } from './envelope.ts'
import { RecentMap } from './recent-map.ts'

/** A route that was heard again is written again at most so often. */
const RENEW_MS = 1_000

/** One open link. After `isOpen` has become false it never opens again; a new link to the same neighbour is a new object. */
export class DirectLink {
  /** The neighbour's identity key. */
  readonly key: string
  /** The key under which tables know the neighbour as an origin. */
  readonly originKey: string
  readonly floods: Budget = new Budget(DIRECT_FLOODS_PER_SECOND_MAX)
  isOpen = true

  constructor(neighbour: Identity) {
    this.key = neighbour.key
    this.originKey = textKey(neighbour.publicKey)
  }
}

interface Route {
  link: DirectLink
  heardMs: number
  /** When a signature or an opened envelope last said so. */
  provenMs: number
}

export class Routes {
  readonly #links = new Map<string, DirectLink>()
  readonly #neighbours = new Map<string, DirectLink>()
  readonly #routes: RecentMap<Route>

  constructor(routesMax: number = DIRECT_ROUTES_MAX) {
    this.#routes = new RecentMap(routesMax)
  }

  get counts(): { links: number; routes: number } {
    return { links: this.#links.size, routes: this.#routes.size }
  }

  /** Once for each neighbour, whatever happens to the connection below. Nothing when it is up already. */
  linkUp(neighbour: Identity): void {
    if (this.#links.has(neighbour.key)) return
    const link = new DirectLink(neighbour)
    this.#links.set(link.key, link)
    this.#neighbours.set(link.originKey, link)
  }

  /** All that was heard over it is forgotten with it: routes hold the object, and look whether it is open. */
  linkDown(linkKey: string): void {
    const link = this.#links.get(linkKey)
    if (link === undefined) return
    link.isOpen = false
    this.#links.delete(linkKey)
    this.#neighbours.delete(link.originKey)
  }

  link(linkKey: string): DirectLink | null {
    return this.#links.get(linkKey) ?? null
  }

  /**
   * A verified bundle of this origin was new, and came over this link. Called for each one: mostly it is one look into a map.
   */
  heard(originKey: string, linkKey: string, nowMs: number): void {
    const route = this.#routes.peek(originKey)
    if (route !== undefined && nowMs - route.provenMs < RENEW_MS && route.link.isOpen) return
    this.proven(originKey, linkKey, nowMs)
  }

  /** What came over this link is certainly of this origin, and no replay. */
  proven(originKey: string, linkKey: string, nowMs: number): void {
    const link = this.#links.get(linkKey)
    if (link !== undefined) this.#write(originKey, link, nowMs, nowMs)
  }

  /**
   * What came over this link says that it is of this origin. Anybody can say so: it is taken only where nothing is proven, or was
   * for as long as a way is remembered. A way that leads nowhere any more is forgotten at the first try.
   */
  claimed(originKey: string, link: DirectLink, nowMs: number): void {
    const route = this.#routes.peek(originKey)
    if (route?.link.isOpen) {
      if (nowMs - route.provenMs < DIRECT_ROUTE_MS) return
      if (route.link === link && nowMs - route.heardMs < RENEW_MS) return
    }
    this.#write(originKey, link, nowMs, Number.NEGATIVE_INFINITY)
  }

  /** The link towards this origin, itself a neighbour or not; null when none is known. */
  find(originKey: string, nowMs: number): DirectLink | null {
    const neighbour = this.#neighbours.get(originKey)
    if (neighbour !== undefined) return neighbour
    const route = this.#routes.peek(originKey)
    if (route === undefined) return null
    if (route.link.isOpen && nowMs - route.heardMs < DIRECT_ROUTE_MS) return route.link
    this.#routes.delete(originKey)
    return null
  }

  /** The known way did not lead there. */
  forget(originKey: string): void {
    this.#routes.delete(originKey)
  }

  #write(originKey: string, link: DirectLink, heardMs: number, provenMs: number): void {
    const route = this.#routes.peek(originKey)
    if (route === undefined) {
      this.#routes.set(originKey, { link, heardMs, provenMs })
      return
    }
    route.link = link
    route.heardMs = heardMs
    route.provenMs = provenMs
    this.#routes.set(originKey, route)
  }
}
