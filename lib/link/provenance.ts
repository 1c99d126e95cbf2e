// From where connections come, and who gives way where one place has crowded out the others. A place is what one party easily has many
// addresses of: a block is an IPv4 address or an IPv6 /64, a site an IPv4 /24 or an IPv6 /48; this machine is a place of its own.
// Pure. docs/protocol.md, "Deadlines and half-open bounds".

import { toHex } from '../bytes.ts'
import { bytesOfIp6, scopeOf, siteOf } from '../identity/ip.ts'

export interface Provenance {
  readonly block: string
  readonly site: string
}

/** `host`: an IP literal. */
export function provenanceOf(host: string): Provenance {
  const site = siteOf(host)
  if (scopeOf(host) === 'loopback') return { block: site, site }
  const bytes = host.includes(':') ? bytesOfIp6(host.split('%', 1)[0]!) : null
  return { block: bytes === null ? host : toHex(bytes.subarray(0, 8)), site }
}

/** How many connections there are from each place. */
export class Tally {
  readonly #counts = { block: new Map<string, number>(), site: new Map<string, number>() }

  add(from: Provenance): void {
    this.#change(from, 1)
  }

  remove(from: Provenance): void {
    this.#change(from, -1)
  }

  of(kind: keyof Provenance, from: Provenance): number {
    return this.#counts[kind].get(from[kind]) ?? 0
  }

  #change(from: Provenance, by: 1 | -1): void {
    for (const kind of ['block', 'site'] as const) {
      const count = this.of(kind, from) + by
      if (count === 0) this.#counts[kind].delete(from[kind])
      else this.#counts[kind].set(from[kind], count)
    }
  }
}

/**
 * Who of `all`, the oldest first and each counted in `tally`, gives way to one from `from`: the oldest from the site that has most,
 * where that has at least two more than the newcomer's; else so by blocks. Null: nobody, for no place is more crowded than its own.
 */
export function whoGivesWay<T extends Provenance>(all: Iterable<T>, tally: Tally, from: Provenance): T | null {
  for (const kind of ['site', 'block'] as const) {
    let most = tally.of(kind, from) + 1
    let chosen: T | null = null
    for (const one of all) {
      const count = tally.of(kind, one)
      if (count <= most) continue
      most = count
      chosen = one
    }
    if (chosen !== null) return chosen
  }
  return null
}

/** Whose turn it is: the first of those from the site, and there the block, of which `tally` has fewest. Null where there is none. */
export function whoseTurn<T extends Provenance>(waiting: Iterable<T>, tally: Tally): T | null {
  let chosen: T | null = null
  let fewest = Number.POSITIVE_INFINITY
  for (const one of waiting) {
    const crowd = tally.of('site', one) + tally.of('block', one) / 65_536
    if (crowd >= fewest) continue
    fewest = crowd
    chosen = one
  }
  return chosen
}
