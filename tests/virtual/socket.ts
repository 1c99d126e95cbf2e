// One end of a simulated TCP connection, as the shipped code sees a socket: bytes arrive in order after the path's delay, a
// window bounds what the kernels hold so that a reader who stopped makes bytes pile up at the writer, a cut path delivers
// nothing and tells nobody. No loss, no congestion: TCP hides the one, and nothing here depends on the other.

import { concatBytes } from '../../lib/bytes.ts'
import type { Endpoint, Socket, SocketEvents } from '../../lib/io/world.ts'
import type { VirtualTime } from './clock.ts'

/** What both kernels together hold of one direction. */
export const WINDOW_BYTES = 262_144

/** The way between two hosts. */
export interface Path {
  readonly delayMs: number
  /** How much it carries in each direction of a connection; null: as much as there is. */
  readonly bytesPerMs: number | null
  /** Nothing gets through, and nobody is told. */
  readonly isCut: boolean
  /** Calls back once, when the path is whole again. */
  whenRestored(run: () => void): void
}

/** What the sockets of one network share. */
export interface SocketGround {
  readonly time: VirtualTime
  /** How many of the bytes that are there come in the next chunk; at least 1. */
  chunkBytes(available: number): number
  /** Something arrived, for the trace. */
  arrived(from: Endpoint, to: Endpoint, what: string): void
}

type Segment =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'fin' }
  | { readonly kind: 'reset' }

export class VirtualSocket implements Socket {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly #ground: SocketGround
  readonly #path: Path
  readonly #gone: (socket: VirtualSocket) => void
  #other: VirtualSocket | null = null
  #events: SocketEvents | null = null
  // Output
  #unsent: { bytes: Uint8Array; at: number; done: (() => void) | undefined }[] = []
  #unsentBytes = 0
  /** In the kernels or on the way, not read by the other end. */
  #flightBytes = 0
  #blocked = false
  #written: (() => void)[] = []
  #writtenPosted = false
  #drainOwed = false
  #finWanted = false
  #finSent = false
  /** On the way; later ones wait behind a first that a cut path holds up. */
  readonly #wire: Segment[] = []
  #wireWaits = false
  /** When the last bytes of what was sent have left, on a path that is slow. */
  #leftMs = 0
  // Input
  #inbox: Uint8Array[] = []
  #inboxBytes = 0
  #finCame = false
  #finTold = false
  #resetCame = false
  #deliveryPosted = false
  #paused = false
  #frozen = false
  // End
  #closed = false
  #closedTold = false
  #error: Error | null = null
  /** Handed over to another protocol. */
  #detached = false

  constructor(
    ground: SocketGround,
    path: Path,
    local: Endpoint,
    remote: Endpoint,
    gone: (socket: VirtualSocket) => void,
  ) {
    this.#ground = ground
    this.#path = path
    this.local = local
    this.remote = remote
    this.#gone = gone
  }

  join(other: VirtualSocket): void {
    this.#other = other
  }

  attach(events: SocketEvents): void {
    if (this.#detached) return
    this.#events = events
    if (this.#closed) this.#postClosed()
    this.#postDelivery()
  }

  write(bytes: Uint8Array, done?: () => void): void {
    if (this.#closed || this.#finWanted || this.#detached) return done?.()
    if (this.#resetCame) {
      done?.()
      return this.#fail(new Error('write EPIPE'))
    }
    this.#unsent.push({ bytes, at: 0, done })
    this.#unsentBytes += bytes.length
    this.#drainOwed = true
    this.#flush()
  }

  get unsentBytes(): number {
    return this.#unsentBytes
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#postDelivery()
  }

  end(): void {
    if (this.#closed || this.#finWanted) return
    this.#finWanted = true
    this.#flush()
  }

  destroy(options?: { reset?: boolean }): void {
    if (this.#closed || this.#detached) return
    // A kernel that throws unread bytes away says so to whoever sent them.
    const abrupt = options?.reset === true || this.#inboxBytes > 0 || this.#unsentBytes > 0
    if (abrupt) this.#send({ kind: 'reset' })
    else if (!this.#finSent) this.#send({ kind: 'fin' })
    this.#drainOwed = false
    this.#close(null)
  }

  detach(putBack: Uint8Array): DetachedSocket {
    this.#detached = true
    this.#events = null
    return { socket: this, putBack, read: () => concatBytes(...this.#inbox) }
  }

  /** Its process has died: the kernel resets the connection, and nobody here hears of it. */
  kill(): void {
    this.#events = null
    this.#detached = false
    this.destroy({ reset: true })
  }

  /** The process stands still: it reads nothing until `thaw`. */
  freeze(): void {
    this.#frozen = true
  }

  thaw(): void {
    this.#frozen = false
    this.#postDelivery()
  }

  /** From now on the kernel takes nothing more: its buffer is full, and nobody reads. */
  blockWrites(): void {
    this.#blocked = true
  }

  /** Something on the way has reset the connection. */
  cutOff(): void {
    this.#resetCame = true
    this.#postDelivery()
  }

  #flush(): void {
    while (this.#unsent.length > 0 && this.#flightBytes < WINDOW_BYTES && !this.#blocked) {
      const first = this.#unsent[0]!
      const length = Math.min(first.bytes.length - first.at, WINDOW_BYTES - this.#flightBytes)
      // The writer may use its buffer again once `done` was called.
      const bytes = new Uint8Array(first.bytes.subarray(first.at, first.at + length))
      first.at += length
      this.#unsentBytes -= length
      this.#flightBytes += length
      if (first.at === first.bytes.length) {
        this.#unsent.shift()
        if (first.done !== undefined) this.#written.push(first.done)
      }
      if (length > 0) this.#send({ kind: 'bytes', bytes })
    }
    if (this.#finWanted && !this.#finSent && this.#unsent.length === 0) {
      this.#finSent = true
      this.#send({ kind: 'fin' })
      this.#closeWhenBothEnded()
    }
    this.#postWritten()
  }

  #postWritten(): void {
    const owed = this.#written.length > 0 || (this.#drainOwed && this.#unsentBytes === 0)
    if (!owed || this.#writtenPosted) return
    this.#writtenPosted = true
    this.#ground.time.after(0, () => {
      this.#writtenPosted = false
      for (const done of this.#written.splice(0)) done()
      if (!this.#drainOwed || this.#unsentBytes > 0) return
      this.#drainOwed = false
      this.#events?.drained()
    })
  }

  #send(segment: Segment): void {
    this.#wire.push(segment)
    // A reset is told once: on a cut path it is lost.
    if (segment.kind === 'reset' && this.#path.isCut) this.#wire.length = 0
    else this.#ground.time.after(this.#path.delayMs + this.#leavesInMs(segment), () => this.#arrive())
  }

  #leavesInMs(segment: Segment): number {
    const { bytesPerMs } = this.#path
    if (bytesPerMs === null) return 0
    const { nowMs } = this.#ground.time
    const takesMs = segment.kind === 'bytes' ? segment.bytes.length / bytesPerMs : 0
    this.#leftMs = Math.max(this.#leftMs, nowMs) + takesMs
    return this.#leftMs - nowMs
  }

  #arrive(): void {
    if (this.#wire.length === 0 || this.#wireWaits) return
    if (this.#path.isCut) {
      this.#wireWaits = true
      this.#path.whenRestored(() => {
        this.#wireWaits = false
        for (let i = this.#wire.length; i > 0; i--) this.#ground.time.after(this.#path.delayMs, () => this.#arrive())
      })
      return
    }
    const segment = this.#wire.shift()!
    this.#ground.arrived(
      this.local,
      this.remote,
      segment.kind === 'bytes' ? String(segment.bytes.length) : segment.kind,
    )
    this.#other!.#take(segment)
  }

  #take(segment: Segment): void {
    if (this.#closed) {
      // Nobody has this connection any more: its kernel says so, but takes the end of what it has ended itself.
      if (segment.kind === 'bytes') this.#send({ kind: 'reset' })
      return
    }
    switch (segment.kind) {
      case 'bytes':
        this.#inbox.push(segment.bytes)
        this.#inboxBytes += segment.bytes.length
        break
      case 'fin':
        this.#finCame = true
        break
      case 'reset':
        this.#resetCame = true
    }
    this.#postDelivery()
  }

  /** A paused socket does not read, so it hears of nothing, not even of a reset. */
  #postDelivery(): void {
    const due = this.#inboxBytes > 0 || (this.#finCame && !this.#finTold) || this.#resetCame
    if (!due || this.#deliveryPosted || !this.#isReading) return
    this.#deliveryPosted = true
    this.#ground.time.after(0, () => {
      this.#deliveryPosted = false
      if (!this.#isReading) return
      this.#deliver(this.#events!)
      this.#postDelivery()
    })
  }

  get #isReading(): boolean {
    return !this.#closed && !this.#paused && !this.#frozen && this.#events !== null
  }

  #deliver(events: SocketEvents): void {
    if (this.#resetCame) return this.#fail(new Error('read ECONNRESET'))
    if (this.#inboxBytes > 0) {
      const bytes = this.#nextChunk()
      this.#other!.#acknowledge(bytes.length)
      return events.data(bytes)
    }
    if (!this.#finCame || this.#finTold) return
    this.#finTold = true
    this.#closeWhenBothEnded()
    events.ended()
  }

  #nextChunk(): Uint8Array {
    const length = this.#ground.chunkBytes(this.#inboxBytes)
    const first = this.#inbox[0]!
    this.#inboxBytes -= length
    if (length === first.length) return this.#inbox.shift()!
    const all = concatBytes(...this.#inbox)
    this.#inbox = length === all.length ? [] : [all.slice(length)]
    return all.slice(0, length)
  }

  #acknowledge(bytes: number): void {
    this.#flightBytes -= bytes
    if (!this.#closed) this.#flush()
  }

  #closeWhenBothEnded(): void {
    if (this.#finSent && this.#finTold) this.#close(null)
  }

  #fail(error: Error): void {
    this.#drainOwed = false
    this.#close(error)
  }

  #close(error: Error | null): void {
    if (this.#closed) return
    this.#closed = true
    this.#error = error
    for (const { done } of this.#unsent.splice(0)) if (done !== undefined) this.#written.push(done)
    this.#unsentBytes = 0
    this.#inbox = []
    this.#inboxBytes = 0
    this.#postWritten()
    this.#gone(this)
    this.#postClosed()
  }

  #postClosed(): void {
    this.#ground.time.after(0, () => {
      if (this.#closedTold || this.#events === null) return
      this.#closedTold = true
      this.#events.closed(this.#error)
    })
  }
}

/** What a sniff handler gets in this world, in place of a `net.Socket`. */
export interface DetachedSocket {
  readonly socket: VirtualSocket
  readonly putBack: Uint8Array
  read(): Uint8Array
}
