// Which bundles of one run of an origin are held: for each (origin, epoch) their first sequence numbers, ascending, with the
// arrival of each. Borders of bundles never change and bundles do not overlap, so that is enough to find any number.

/** The bundles of one (origin, epoch). Only this module writes to it. */
export interface Run {
  readonly originKey: string
  readonly epoch: number
  readonly firsts: readonly number[]
  readonly arrivals: readonly number[]
  /** Where both begin: what stands before was given up. */
  readonly begin: number
}

interface OpenRun extends Run {
  readonly firsts: number[]
  readonly arrivals: number[]
  begin: number
}

/** Leading places that were given up are cleared away when they are so many and half of all. */
const GIVEN_UP_MAX = 512

export class Runs {
  readonly #origins = new Map<string, Map<number, OpenRun>>()
  /** Where the last bundle went: those of one origin mostly come in rows. */
  #last: OpenRun | null = null

  find(originKey: string, epoch: number): Run | null {
    return this.#origins.get(originKey)?.get(epoch) ?? null
  }

  add(originKey: string, epoch: number, first: number, arrival: number): Run {
    let run = this.#last
    if (run === null || run.epoch !== epoch || run.originKey !== originKey) {
      run = this.#origins.get(originKey)?.get(epoch) ?? null
      if (run === null) return this.#open(originKey, epoch, first, arrival)
      this.#last = run
    }
    const { firsts, arrivals } = run
    if (firsts.length === run.begin || firsts[firsts.length - 1]! < first) {
      firsts.push(first)
      arrivals.push(arrival)
      return run
    }
    const place = lastAtOrBelow(run, first) + 1
    firsts.splice(place, 0, first)
    arrivals.splice(place, 0, arrival)
    return run
  }

  remove(found: Run, first: number): void {
    const run = found as OpenRun
    const place = lastAtOrBelow(run, first)
    if (place < run.begin || run.firsts[place] !== first) return
    if (place === run.begin) {
      run.begin++
      if (run.begin >= GIVEN_UP_MAX && run.begin * 2 >= run.firsts.length) {
        run.firsts.splice(0, run.begin)
        run.arrivals.splice(0, run.begin)
        run.begin = 0
      }
    } else {
      run.firsts.splice(place, 1)
      run.arrivals.splice(place, 1)
    }
    if (run.begin === run.firsts.length) this.#close(run)
  }

  #open(originKey: string, epoch: number, first: number, arrival: number): OpenRun {
    let epochs = this.#origins.get(originKey)
    if (epochs === undefined) {
      epochs = new Map()
      this.#origins.set(originKey, epochs)
    }
    // Not empty lists that grow: those have room for seventeen at once, and most origins have told of themselves only.
    const run: OpenRun = { originKey, epoch, firsts: [first], arrivals: [arrival], begin: 0 }
    epochs.set(epoch, run)
    this.#last = run
    return run
  }

  #close(run: OpenRun): void {
    if (this.#last === run) this.#last = null
    const epochs = this.#origins.get(run.originKey)
    if (epochs === undefined) return
    epochs.delete(run.epoch)
    if (epochs.size === 0) this.#origins.delete(run.originKey)
  }
}

/** The place of the last bundle that begins at or below `sequence`; `begin` - 1 when there is none. */
export function lastAtOrBelow(run: Run, sequence: number): number {
  const { firsts } = run
  let low = run.begin
  let high = firsts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (firsts[middle]! <= sequence) low = middle + 1
    else high = middle
  }
  return low - 1
}
