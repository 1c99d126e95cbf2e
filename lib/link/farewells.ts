// Connections that are over for everyone but still carry their last words: they are closed when the other end has closed
// too, or after a while, whatever it does. One set a node, so that stopping leaves none behind.

import type { Clock, Socket, Timer } from '../io/world.ts'
import { GOODBYE_FLUSH_MS } from '../limits.ts'

export class Farewells {
  readonly #clock: Clock
  readonly #sockets = new Map<Socket, Timer>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Lets what was written go out, then FIN. Nothing that still comes is looked at. */
  closeSoon(socket: Socket, withinMs: number = GOODBYE_FLUSH_MS): void {
    this.#sockets.set(
      socket,
      this.#clock.timer(withinMs, () => this.#destroy(socket)),
    )
    socket.attach({
      data: () => {},
      drained: () => {},
      ended: () => {},
      closed: () => this.#forget(socket),
    })
    socket.resume()
    socket.end()
  }

  /** Ends what is left, at once. */
  close(): void {
    for (const socket of [...this.#sockets.keys()]) this.#destroy(socket)
  }

  #destroy(socket: Socket): void {
    this.#forget(socket)
    socket.destroy()
  }

  #forget(socket: Socket): void {
    this.#sockets.get(socket)?.cancel()
    this.#sockets.delete(socket)
  }
}
