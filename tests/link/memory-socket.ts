// Two sockets of memory, joined. What is written reaches the other end at the end of the turn, unless the way is stuck; a
// FIN travels behind the bytes. Time is the clock's that is handed in.

import type { Clock, Endpoint, Socket, SocketEvents } from '../../lib/io/world.ts'

export interface DetachedSocket {
  readonly putBack: Uint8Array
}

export class MemorySocket implements Socket {
  readonly remote: Endpoint
  readonly local: Endpoint
  /** What this end writes goes no further: its kernel buffer is full. */
  isStuck = false
  /** The most bytes that the other end gets in one chunk. */
  chunkBytesMax: number = Number.POSITIVE_INFINITY
  isPaused = false
  isDestroyed = false
  wasReset = false
  isEnding = false
  isDetached = false
  /** Every byte that was written, for counting. */
  writtenBytes = 0
  writes = 0
  readonly #clock: Clock
  #other: MemorySocket | null = null
  #events: SocketEvents | null = null
  #unsent: { bytes: Uint8Array; done: (() => void) | undefined }[] = []
  #unsentBytes = 0
  #flushScheduled = false
  #inbox: Uint8Array[] = []
  #finCame = false
  #endedTold = false
  #finSent = false
  #error: Error | null = null
  #closedTold = false

  constructor(clock: Clock, local: Endpoint, remote: Endpoint) {
    this.#clock = clock
    this.local = local
    this.remote = remote
  }

  join(other: MemorySocket): void {
    this.#other = other
  }

  get unsentBytes(): number {
    return this.#unsentBytes
  }

  attach(events: SocketEvents): void {
    this.#events = events
    this.#scheduleFlush()
  }

  write(bytes: Uint8Array, done?: () => void): void {
    if (this.isDestroyed || this.isEnding || this.isDetached) return done?.()
    // The writer may use its buffer again once `done` was called, and the other end keeps what it gets.
    this.#unsent.push({ bytes: new Uint8Array(bytes), done })
    this.#unsentBytes += bytes.length
    this.writtenBytes += bytes.length
    this.writes++
    this.#scheduleFlush()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    this.#scheduleFlush()
  }

  end(): void {
    this.isEnding = true
    this.#scheduleFlush()
  }

  destroy(options?: { reset?: boolean }): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.wasReset = options?.reset === true
    this.#drop()
    const other = this.#other
    if (other !== null) {
      if (this.wasReset) other.fail(new Error('reset by the other end'))
      else other.takeFin()
    }
    this.#scheduleFlush()
  }

  detach(putBack: Uint8Array): DetachedSocket {
    this.isDetached = true
    this.#events = null
    return { putBack: new Uint8Array(putBack) }
  }

  /** The connection breaks, as by a RST. */
  fail(error: Error): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.#error = error
    this.#drop()
    this.#scheduleFlush()
  }

  /** Part of what was written gets through a stuck way: so many bytes of it, by whole writes. */
  letThrough(writes: number): void {
    this.#send(this.#unsent.splice(0, writes))
  }

  takeFin(): void {
    this.#finCame = true
    this.#scheduleFlush()
  }

  takeBytes(bytes: Uint8Array): void {
    if (this.isDestroyed) return
    this.#inbox.push(bytes)
    this.#scheduleFlush()
  }

  #drop(): void {
    for (const { done } of this.#unsent.splice(0)) done?.()
    this.#unsentBytes = 0
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#clock.endOfTurn(() => {
      this.#flushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (!this.isStuck) this.#send(this.#unsent.splice(0))
    if (this.isEnding && this.#unsent.length === 0 && !this.#finSent && !this.isDestroyed) {
      this.#finSent = true
      this.#other?.takeFin()
    }
    this.#deliver()
  }

  #send(writes: readonly { bytes: Uint8Array; done: (() => void) | undefined }[]): void {
    for (const { bytes, done } of writes) {
      this.#unsentBytes -= bytes.length
      for (let at = 0; at < bytes.length; at += this.chunkBytesMax) {
        this.#other?.takeBytes(bytes.subarray(at, Math.min(bytes.length, at + this.chunkBytesMax)))
      }
      done?.()
    }
    if (writes.length > 0 && this.#unsentBytes === 0) this.#events?.drained()
  }

  #deliver(): void {
    while (!this.isPaused && !this.isDestroyed && this.#events !== null && this.#inbox.length > 0) {
      this.#events.data(this.#inbox.shift()!)
    }
    if (this.#finCame && this.#inbox.length === 0 && !this.isDestroyed && !this.isPaused && !this.#endedTold) {
      this.#endedTold = true
      this.#events?.ended()
    }
    const over = this.isDestroyed || (this.#endedTold && this.#finSent)
    if (!over || this.#closedTold || this.#events === null) return
    this.#closedTold = true
    this.isDestroyed = true
    this.#events.closed(this.#error)
  }
}

/** A joined pair: the dialler's end, then the listener's. The dialler is at `host`. */
export function memoryPair(clock: Clock, host = '127.0.0.1'): [dialled: MemorySocket, accepted: MemorySocket] {
  const from = { host, port: 40_000 }
  const to = { host: '127.0.0.1', port: 6374 }
  const dialled = new MemorySocket(clock, from, to)
  const accepted = new MemorySocket(clock, to, from)
  dialled.join(accepted)
  accepted.join(dialled)
  return [dialled, accepted]
}
