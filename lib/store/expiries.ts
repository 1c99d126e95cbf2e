// Which bundles expire out of turn, soonest first: a binary heap in two plain arrays. Entries are hints: whoever takes one
// out looks whether that bundle is still there and really due.

export class Expiries {
  readonly #atMs: number[] = []
  readonly #arrivals: number[] = []

  get size(): number {
    return this.#atMs.length
  }

  /** Infinity when there is none. */
  get soonestMs(): number {
    return this.#atMs.length === 0 ? Number.POSITIVE_INFINITY : this.#atMs[0]!
  }

  add(atMs: number, arrival: number): void {
    const times = this.#atMs
    const arrivals = this.#arrivals
    let at = times.length
    times.push(atMs)
    arrivals.push(arrival)
    while (at > 0) {
      const above = (at - 1) >>> 1
      if (times[above]! <= atMs) break
      times[at] = times[above]!
      arrivals[at] = arrivals[above]!
      at = above
    }
    times[at] = atMs
    arrivals[at] = arrival
  }

  /** Takes the soonest one out: its arrival. Not to be called when there is none. */
  take(): number {
    const times = this.#atMs
    const arrivals = this.#arrivals
    const taken = arrivals[0]!
    const lastMs = times.pop()!
    const lastArrival = arrivals.pop()!
    const length = times.length
    if (length === 0) return taken
    let at = 0
    for (;;) {
      let below = at * 2 + 1
      if (below >= length) break
      if (below + 1 < length && times[below + 1]! < times[below]!) below++
      if (times[below]! >= lastMs) break
      times[at] = times[below]!
      arrivals[at] = arrivals[below]!
      at = below
    }
    times[at] = lastMs
    arrivals[at] = lastArrival
    return taken
  }

  /** Leaves out those of which `keep` says no. */
  filter(keep: (arrival: number) => boolean): void {
    const times = this.#atMs.splice(0)
    const arrivals = this.#arrivals.splice(0)
    for (let i = 0; i < times.length; i++) if (keep(arrivals[i]!)) this.add(times[i]!, arrivals[i]!)
  }
}
