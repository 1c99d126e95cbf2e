// Callers that wait for a stream to be opened to this node, by the protocol's name. A name is registered with the node while
// at least one of them waits, and each gets one stream. docs/api.md, "Streams".

import type { DoorStream } from '../streams/door.ts'
import type { ApiNode } from './node.ts'

type Waiter = (stream: DoorStream) => void

export class StreamListeners {
  readonly #node: Pick<ApiNode, 'handle' | 'unhandle'>
  readonly #waiting = new Map<string, Set<Waiter>>()

  constructor(node: Pick<ApiNode, 'handle' | 'unhandle'>) {
    this.#node = node
  }

  /**
   * The next stream under this name, for who asked first. Rejects with MeshError `bad-argument`, with `already-registered`
   * when the node itself answers to that name, and with the signal's reason.
   */
  async next(name: string, signal: AbortSignal): Promise<DoorStream> {
    signal.throwIfAborted()
    const group = this.#waiting.get(name) ?? this.#register(name)
    return new Promise((resolve, reject) => {
      const waiter = (stream: DoorStream): void => {
        signal.removeEventListener('abort', abort)
        this.#remove(name, group, waiter)
        resolve(stream)
      }
      const abort = (): void => {
        this.#remove(name, group, waiter)
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      group.add(waiter)
    })
  }

  #register(name: string): Set<Waiter> {
    const group = new Set<Waiter>()
    this.#node.handle(name, (stream) => {
      const [first] = group
      if (first === undefined) stream.destroy()
      else first(stream)
    })
    this.#waiting.set(name, group)
    return group
  }

  #remove(name: string, group: Set<Waiter>, waiter: Waiter): void {
    group.delete(waiter)
    if (group.size > 0) return
    this.#waiting.delete(name)
    this.#node.unhandle(name)
  }
}
