// A list of things in the order in which they were last touched, the links kept in the things themselves: touching costs the
// same whatever the length, and allocates nothing. (A Set that is deleted from and added to all the time leaves holes at its
// head that every look at the oldest would have to pass.)

/** What can stand in one list. The list alone writes these. */
export interface Recent<T> {
  older: T | null
  newer: T | null
}

export class Recency<T extends Recent<T>> {
  oldest: T | null = null
  newest: T | null = null

  /** Makes it the newest, whether it stood here already or not. */
  touch(one: T): void {
    if (this.newest === one) return
    if (one.newer !== null) this.remove(one)
    one.older = this.newest
    if (this.newest === null) this.oldest = one
    else this.newest.newer = one
    this.newest = one
  }

  /** `one` stands here. */
  remove(one: T): void {
    if (one.older === null) this.oldest = one.newer
    else one.older.newer = one.newer
    if (one.newer === null) this.newest = one.older
    else one.newer.older = one.older
    one.older = null
    one.newer = null
  }
}
