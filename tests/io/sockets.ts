// Two ends of a loopback connection, and a listener of socket events that can be waited for. For the tests of lib/io.

import { nodeTcp } from '../../lib/io/tcp.ts'
import type { Endpoint, Listener, Socket, SocketEvents } from '../../lib/io/world.ts'

export interface Pair {
  dialled: Socket
  accepted: Socket
  listener: Listener
  /** Closes the listener. */
  close(): Promise<void>
}

/** A listener and the first socket that it accepts. Later ones are destroyed. */
export async function listenForOne(endpoint: Endpoint): Promise<{ listener: Listener; first: Promise<Socket> }> {
  let take: ((socket: Socket) => void) | null = null
  const first = new Promise<Socket>((resolve) => {
    take = resolve
  })
  const listener = await nodeTcp.listen(endpoint, (socket) => {
    if (take === null) return socket.destroy()
    take(socket)
    take = null
  })
  return { listener, first }
}

/** A connected pair on 127.0.0.1. */
export async function pair(): Promise<Pair> {
  const { listener, first } = await listenForOne({ host: '127.0.0.1', port: 0 })
  const dialled = await nodeTcp.dial(listener.endpoint, new AbortController().signal)
  const accepted = await first
  return { dialled, accepted, listener, close: () => listener.close() }
}

type EventName = keyof SocketEvents

/** Attaches itself; writes down every event (runs of `data` as one) and keeps the bytes. */
export class Recorder implements SocketEvents {
  readonly log: EventName[] = []
  count = 0
  #chunks: Uint8Array[] = []
  #error: Error | null = null
  #seen = new Map<EventName, number>()
  #waiting: { done: () => boolean; resolve: () => void }[] = []

  constructor(socket: Socket) {
    socket.attach(this)
  }

  data(bytes: Uint8Array): void {
    this.#chunks.push(bytes)
    this.count += bytes.length
    this.#note('data')
  }

  drained(): void {
    this.#note('drained')
  }

  ended(): void {
    this.#note('ended')
  }

  closed(error: Error | null): void {
    this.#error = error
    this.#note('closed')
  }

  /** Everything since the last take. */
  take(): Uint8Array {
    const out = new Uint8Array(Buffer.concat(this.#chunks))
    this.#chunks = []
    return out
  }

  /** Resolves once `total` bytes have come since the beginning. */
  bytes(total: number): Promise<void> {
    return this.#until(() => this.count >= total)
  }

  /** Resolves once the event has come `times` times, with the error that `closed` gave. */
  async until(name: EventName, times = 1): Promise<Error | null> {
    await this.#until(() => (this.#seen.get(name) ?? 0) >= times)
    return this.#error
  }

  #until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ done, resolve }))
  }

  #note(name: EventName): void {
    if (name !== 'data' || this.log.at(-1) !== 'data') this.log.push(name)
    this.#seen.set(name, (this.#seen.get(name) ?? 0) + 1)
    this.#waiting = this.#waiting.filter((waiter) => {
      if (!waiter.done()) return true
      waiter.resolve()
      return false
    })
  }
}
