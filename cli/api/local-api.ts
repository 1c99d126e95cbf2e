// The local API of one running node: listens on its socket while the node runs, and brings every call to an end before the
// node stops. HTTP is loaded with the first caller, so that a node that nobody asks starts as fast as without.

import { setMaxListeners } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { MeshError, reasonOf } from '../../lib/errors.ts'
import type { ApiContext, ApiFacts, ApiNode } from './node.ts'
import type { ApiPlace } from './place.ts'
import { SocketFile } from './socket-file.ts'
import { StreamListeners } from './stream-listeners.ts'

export const HEARTBEAT_MS = 30_000
/** Each may hold some megabytes; people have a few. */
export const CONNECTIONS_MAX = 256
/** How long callers may take to take what they are owed when the node stops. */
const FAREWELL_MS = 500

export interface LocalApiOptions {
  readonly node: ApiNode
  readonly place: ApiPlace
  readonly facts: ApiFacts
  readonly platform: NodeJS.Platform
  readonly heartbeatMs?: number
  warn(code: string, text: string): void
}

export class LocalApi {
  readonly #options: LocalApiOptions
  readonly #file: SocketFile
  readonly #server: Server
  readonly #closing = new AbortController()
  readonly #context: ApiContext
  readonly #sockets = new Set<Socket>()
  readonly #calls = new Set<Promise<void>>()
  #http: Promise<HttpServer> | null = null
  #opening: Promise<void> | null = null

  constructor(options: LocalApiOptions) {
    const { node, place, facts, platform, heartbeatMs = HEARTBEAT_MS } = options
    this.#options = options
    this.#file = new SocketFile(place, platform)
    // Half-open, as http.Server has it: a caller may end its side and still read.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
    // One for each stream: more than ten are no leak.
    setMaxListeners(CONNECTIONS_MAX, this.#closing.signal)
    this.#context = {
      node,
      facts,
      startedAtMs: Date.now(),
      closing: this.#closing.signal,
      heartbeatMs,
      acknowledging: new Map(),
      answering: new Set(),
      listeners: new StreamListeners(node),
      onGap: new Set(),
    }
    node.on('gap', (gap) => {
      for (const tell of this.#context.onGap) tell(gap)
    })
  }

  /** Listens. Rejects with Failure `local-api`. */
  open(): Promise<void> {
    this.#opening = this.#file.listen(this.#server)
    return this.#opening
  }

  /** Takes no more callers, brings what they wait for to its end, and removes the socket. */
  async close(): Promise<void> {
    const isOpen = await this.#opening?.then(
      () => true,
      () => false,
    )
    if (isOpen !== true) return
    this.#opening = null
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#file.remove()
    this.#closing.abort(new MeshError('shutdown', 'this node is stopping'))
    const late = new AbortController()
    await Promise.race([
      Promise.allSettled(this.#calls),
      sleep(FAREWELL_MS, undefined, { signal: late.signal }).catch(() => undefined),
    ])
    late.abort()
    for (const socket of this.#sockets) socket.destroySoon()
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, FAREWELL_MS)
    await closed
    clearTimeout(timer)
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    this.#http ??= this.#load()
    this.#http.then(
      (http) => void http.emit('connection', socket),
      (error) => {
        this.#options.warn('local-api', `the local API cannot be loaded: ${reasonOf(error)}`)
        socket.destroy()
      },
    )
  }

  async #load(): Promise<HttpServer> {
    const { apiServer } = await import('./server.ts')
    return apiServer(this.#context, (call) => {
      this.#calls.add(call)
      call.finally(() => this.#calls.delete(call))
    })
  }
}
