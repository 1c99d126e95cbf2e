// One connected net.Socket behind the Socket interface of world.ts. Not a queue: what is written goes to node:net at once,
// and `unsentBytes` tells the caller when to hold back. Carries docs/protocol.md section 1, "The stack".

import type { Socket as NetSocket } from 'node:net'
import { readIntoShared } from './shared-read-buffer.ts'
import type { Endpoint, Socket, SocketEvents } from './world.ts'

/**
 * Takes over a socket that is connected, was made with `allowHalfOpen` and is paused. From here on it has an error listener,
 * nothing here throws, and `closed` is called exactly once.
 */
export class TcpSocket implements Socket {
  readonly remote: Endpoint
  readonly local: Endpoint
  readonly #socket: NetSocket
  #events: SocketEvents | null = null
  #error: Error | null = null
  #closed = false
  #closedReported = false
  #detached = false
  #pauseWanted = false
  /** Something was written and `drained` has not been called since. */
  #drainOwed = false

  constructor(socket: NetSocket, remote: Endpoint, local: Endpoint) {
    this.#socket = socket
    this.remote = remote
    this.local = local
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  attach(events: SocketEvents): void {
    if (this.#detached) return
    const first = this.#events === null
    this.#events = events
    if (!first) return
    if (this.#closed) {
      // Not within this call: the caller is not ready for its own callbacks yet.
      process.nextTick(() => this.#reportClosed())
      return
    }
    this.#socket.on('data', this.#onData)
    this.#socket.on('end', this.#onEnd)
    if (!this.#pauseWanted) this.#socket.resume()
  }

  write(bytes: Uint8Array, done?: () => void): void {
    if (this.#detached || !this.#socket.writable) return done?.()
    this.#drainOwed = true
    if (done === undefined) {
      this.#socket.write(bytes, this.#onWritten)
      return
    }
    this.#socket.write(bytes, (error) => {
      done()
      this.#onWritten(error)
    })
  }

  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  pause(): void {
    if (this.#detached) return
    this.#pauseWanted = true
    this.#socket.pause()
  }

  resume(): void {
    if (this.#detached) return
    this.#pauseWanted = false
    if (this.#events !== null) this.#socket.resume()
  }

  shareReadBuffer(): void {
    if (this.#detached || this.#socket.destroyed || this.#socket.readableLength > 0) return
    readIntoShared(this.#socket, (bytes) => this.#events?.data(bytes))
  }

  end(): void {
    // Ending twice makes an Error with its stack, which nobody gets to see.
    if (!this.#detached && !this.#socket.writableEnded) this.#socket.end()
  }

  destroy(options?: { reset?: boolean }): void {
    const socket = this.#socket
    if (this.#detached || socket.destroyed) return
    // libuv refuses to reset while it is sending a FIN, and node:net then never emits 'close'.
    const finUnderWay = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
    if (options?.reset === true && !finUnderWay) socket.resetAndDestroy()
    else socket.destroy()
  }

  detach(putBack: Uint8Array): NetSocket {
    const socket = this.#socket
    if (this.#detached) return socket
    this.#detached = true
    this.#events = null
    socket.pause()
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onClose)
    // #onError stays: until the new owner listens, a reset would otherwise end the process.
    socket.allowHalfOpen = false
    if (putBack.length > 0 && !socket.readableEnded) socket.unshift(putBack)
    // A paused stream stays paused when a 'data' listener comes, and the new owner does not know that it is paused. Adding
    // and removing a 'readable' listener brings the stream back to where a new one is: it waits for its first listener.
    socket.on('readable', nothing)
    socket.off('readable', nothing)
    return socket
  }

  readonly #onData = (chunk: Buffer): void => {
    // A plain view: `slice` of a Buffer shares memory, which nobody who reads Uint8Array expects.
    this.#events?.data(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
  }

  readonly #onEnd = (): void => {
    this.#events?.ended()
  }

  readonly #onError = (error: Error): void => {
    this.#error ??= error
  }

  readonly #onClose = (): void => {
    this.#closed = true
    this.#reportClosed()
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error || !this.#drainOwed || this.#closed || this.#socket.writableLength > 0) return
    this.#drainOwed = false
    this.#events?.drained()
  }

  #reportClosed(): void {
    const events = this.#events
    if (events === null || this.#closedReported) return
    this.#closedReported = true
    events.closed(this.#error)
  }
}

function nothing(): void {}
