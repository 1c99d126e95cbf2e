// Notices that neighbours close our links again and again in favour of others with our identity, though we made none: somebody else
// has a copy of our key. One neighbour's word proves nothing, since a goodbye says what its sender likes; where one is all that both
// nodes have, they find each other by their bundles (flood/own-epoch.ts). Pure. docs/protocol.md, "Duplicate connections".

/** So many links with one neighbour that ended as duplicates within so long are no accident. */
const TIMES_MAX = 5
const WITHIN_MS = 60_000
/** So many neighbours must say so. */
const NEIGHBOURS = 2
/** Neighbours that are remembered: as many as a node may have. Beyond, who said so the longest time ago is forgotten. */
const KEYS_MAX = 64

export class Superseded {
  /** When, by neighbour: the last TIMES_MAX times each; who said so last comes last. */
  readonly #times = new Map<string, number[]>()

  /** A link with the neighbour of this key was closed by it as a duplicate. True when that has become suspicious. */
  happened(key: string, nowMs: number): boolean {
    const times = [...(this.#times.get(key) ?? []), nowMs].slice(-TIMES_MAX)
    this.#times.delete(key)
    this.#times.set(key, times)
    if (this.#times.size > KEYS_MAX) this.#times.delete(this.#times.keys().next().value!)
    if (!isNoAccident(times, nowMs)) return false
    let neighbours = 0
    for (const of of this.#times.values()) if (isNoAccident(of, nowMs)) neighbours++
    if (neighbours < NEIGHBOURS) return false
    this.#times.clear()
    return true
  }
}

function isNoAccident(times: readonly number[], nowMs: number): boolean {
  return times.length === TIMES_MAX && nowMs - times[0]! < WITHIN_MS
}
