// The graph of the mesh by what nodes tell of their links: who can be reached from here, over how many links. Only the graph:
// who the nodes are, and what follows from that, is members.ts's. docs/protocol.md section 12.4.
//
// A link counts in the direction in which it was told: a node that has died still stands in its own words with all its
// links, but its neighbours do not name it any more. Where a node's list is cut short, what others tell of it counts too.

import { NODE_LINKS_MAX, NODE_LINKS_SHARE } from '../limits.ts'

const OWN = 0
const UNREACHED = -1
const NO_LINKS = new Int32Array(0)
/** Looking for another way to a node ends after so many: a fraction of a millisecond. */
const WAY_PLACES_MAX = 4_096

export class Topology {
  /** Places of all that was told or named, by key. */
  readonly #places = new Map<string, number>()
  /** By place, as are all below; a place that is free again has the key ''. */
  readonly #keys: string[] = []
  /** Null for a node that has told nothing yet and is only named by others. */
  readonly #links: (Int32Array | null)[] = []
  readonly #isCut: boolean[] = []
  /** How many lists name it. */
  readonly #named: number[] = []
  readonly #free: number[] = []
  #cutCount = 0
  #linkCount = 0
  #hops = new Int32Array(64).fill(UNREACHED)
  #queue = new Int32Array(64)

  /** `own`: the key of this node. Keys are any text but '', one for each node. */
  constructor(own: string) {
    this.#links[this.#place(own)] = NO_LINKS
    this.#hops[OWN] = 0
  }

  /** Links of all lists together but for our own, never more than NODE_LINKS_MAX. */
  get linkCount(): number {
    return this.#linkCount
  }

  /** Places in use: nodes that told something, and nodes that they name. */
  get size(): number {
    return this.#places.size
  }

  /**
   * These are the neighbours of `key` now, in place of what was told before. `isCut`: it has more than it names. What goes beyond
   * NODE_LINKS_MAX is left out, and the list counts as cut; but up to NODE_LINKS_SHARE have room at the cost of the longest lists.
   * Our own links are no hearsay: they always have room.
   */
  tell(key: string, neighbours: readonly string[], isCut: boolean): void {
    const place = this.#place(key)
    const room = place === OWN ? neighbours.length : this.#roomFor(place, neighbours.length)
    const before = this.#links[place] ?? NO_LINKS
    const links = new Int32Array(room)
    for (let i = 0; i < room; i++) {
      links[i] = this.#place(neighbours[i]!)
      this.#named[links[i]!]!++
    }
    this.#links[place] = links
    if (place !== OWN) this.#linkCount += links.length - before.length
    this.#setCut(place, isCut || room < neighbours.length)
    // After the new ones were named, so that who stands in both lists keeps its place.
    this.#unname(before)
  }

  /** This node has left, or what it told is too old. */
  forget(key: string): void {
    const place = this.#places.get(key)
    if (place === undefined || place === OWN) return
    const before = this.#links[place] ?? NO_LINKS
    this.#links[place] = null
    this.#linkCount -= before.length
    this.#setCut(place, false)
    this.#unname(before)
    this.#freeIfUnused(place)
  }

  /** Finds the hops of all anew, breadth first. Linear in nodes and links. */
  compute(): void {
    const count = this.#keys.length
    if (this.#hops.length < count) {
      this.#hops = new Int32Array(count * 2)
      this.#queue = new Int32Array(count * 2)
    }
    const [hops, queue] = [this.#hops, this.#queue]
    hops.fill(UNREACHED)
    const namers = this.#cutCount === 0 ? null : this.#namersOfTheCut()
    hops[OWN] = 0
    queue[0] = OWN
    let end = 1
    for (let at = 0; at < end; at++) {
      const place = queue[at]!
      const next = hops[place]! + 1
      const links = this.#links[place] ?? NO_LINKS
      for (let i = 0; i < links.length; i++) {
        const other = links[i]!
        if (hops[other] !== UNREACHED) continue
        hops[other] = next
        queue[end++] = other
      }
      if (namers === null) continue
      const namersEnd = namers.ends[place]!
      for (let i = namersEnd - namers.counts[place]!; i < namersEnd; i++) {
        const other = namers.places[i]!
        if (hops[other] !== UNREACHED) continue
        hops[other] = next
        queue[end++] = other
      }
    }
  }

  /** Links from here as of the last `compute`; null: not reachable by what is known. */
  hops(key: string): number | null {
    const place = this.#places.get(key)
    const hops = place === undefined ? UNREACHED : (this.#hops[place] ?? UNREACHED)
    return hops === UNREACHED ? null : hops
  }

  /** Keys of the neighbours that this node names. */
  *neighbours(key: string): IterableIterator<string> {
    const place = this.#places.get(key)
    if (place === undefined) return
    for (const other of this.#links[place] ?? NO_LINKS) yield this.#keys[other]!
  }

  /**
   * Whether this node would stay joined with us without our link with it: it has a neighbour in common with us, or there are two
   * ways from it to us that have no node in common. Two, because others may be about to cut one of them.
   */
  hasOtherWays(key: string): boolean {
    const place = this.#places.get(key)
    const first = place === undefined ? null : this.#wayHome(place, [])
    if (first === null || place === undefined) return false
    return first.length === 1 || this.#wayHome(place, first) !== null
  }

  /** The nodes on a shortest way from a node to one of our neighbours, that one included, without our own link and `avoided`. */
  #wayHome(from: number, avoided: readonly number[]): number[] | null {
    const ours = this.#links[OWN] ?? NO_LINKS
    const cameFrom = new Map<number, number>([[from, from]])
    const queue = [from]
    for (const place of queue) {
      if (queue.length > WAY_PLACES_MAX) return null
      for (const other of this.#links[place] ?? NO_LINKS) {
        if (other === OWN || cameFrom.has(other) || avoided.includes(other)) continue
        cameFrom.set(other, place)
        if (!ours.includes(other)) {
          queue.push(other)
          continue
        }
        const way: number[] = []
        for (let step = other; step !== from; step = cameFrom.get(step)!) way.push(step)
        return way
      }
    }
    return null
  }

  #place(key: string): number {
    const known = this.#places.get(key)
    if (known !== undefined) return known
    const place = this.#free.pop() ?? this.#keys.length
    this.#places.set(key, place)
    this.#keys[place] = key
    this.#links[place] = null
    this.#isCut[place] = false
    this.#named[place] = 0
    if (place < this.#hops.length) this.#hops[place] = UNREACHED
    return place
  }

  #setCut(place: number, isCut: boolean): void {
    if (this.#isCut[place] !== isCut) this.#cutCount += isCut ? 1 : -1
    this.#isCut[place] = isCut
  }

  #unname(links: Int32Array): void {
    for (const other of links) {
      this.#named[other]!--
      this.#freeIfUnused(other)
    }
  }

  #freeIfUnused(place: number): void {
    if (place === OWN || this.#keys[place] === '' || this.#links[place] !== null || this.#named[place]! > 0) return
    this.#places.delete(this.#keys[place]!)
    this.#keys[place] = ''
    this.#free.push(place)
  }

  /**
   * For each node whose list is cut those that name it, one node's behind the other's, up to `ends` by place. Flat arrays: of many
   * cut lists, made up or not, a list for each would cost as much as all the rest of `compute` ten times over.
   */
  #namersOfTheCut(): Namers {
    const counts = new Int32Array(this.#keys.length)
    const ends = new Int32Array(this.#keys.length)
    let sum = 0
    for (let place = 0; place < ends.length; place++) {
      ends[place] = sum
      if (this.#isCut[place]) sum += this.#named[place]!
    }
    const places = new Int32Array(sum)
    for (let place = 0; place < ends.length; place++) {
      const links = this.#links[place] ?? NO_LINKS
      for (let i = 0; i < links.length; i++) {
        const other = links[i]!
        if (!this.#isCut[other]) continue
        places[ends[other]!++] = place
        counts[other]!++
      }
    }
    return { places, ends, counts }
  }

  /** How many of so many links there is room for. */
  #roomFor(place: number, count: number): number {
    const room = (): number => NODE_LINKS_MAX - this.#linkCount + (this.#links[place]?.length ?? 0)
    while (room() < Math.min(count, NODE_LINKS_SHARE) && this.#shortenLongest());
    return Math.min(count, room())
  }

  /** Has the longest lists give up what they have beyond half of the longest, and then count as cut. False: none is long. */
  #shortenLongest(): boolean {
    let longest = 0
    for (let place = OWN + 1; place < this.#links.length; place++) {
      longest = Math.max(longest, this.#links[place]?.length ?? 0)
    }
    if (longest <= NODE_LINKS_SHARE) return false
    const max = Math.max(NODE_LINKS_SHARE, longest >> 1)
    for (let place = OWN + 1; place < this.#links.length; place++) {
      const links = this.#links[place] ?? NO_LINKS
      if (links.length <= max) continue
      this.#links[place] = links.slice(0, max)
      this.#linkCount -= links.length - max
      this.#setCut(place, true)
      this.#unname(links.subarray(max))
    }
    return true
  }
}

interface Namers {
  readonly places: Int32Array
  readonly ends: Int32Array
  readonly counts: Int32Array
}
