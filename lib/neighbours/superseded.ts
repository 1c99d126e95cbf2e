// Notices that a neighbour closes our link again and again in favour of another one with our identity, though we made none:
// somebody else has a copy of our key, or that neighbour says what is not so. A copy that was made by mistake often has no other
// neighbour, so one is heard, and all that comes of it is a warning. Pure. docs/protocol.md, "Duplicate connections".

/** So many links with one neighbour that ended as duplicates within so long are no accident. */
const TIMES_MAX = 5
const WITHIN_MS = 60_000

export class Superseded {
  #times: { readonly key: string; readonly atMs: number }[] = []

  /** A link with the neighbour of this key was closed by it as a duplicate. True when that has become suspicious. */
  happened(key: string, nowMs: number): boolean {
    this.#times = this.#times.filter((time) => nowMs - time.atMs < WITHIN_MS)
    this.#times.push({ key, atMs: nowMs })
    if (this.#times.filter((time) => time.key === key).length < TIMES_MAX) return false
    this.#times = []
    return true
  }
}
