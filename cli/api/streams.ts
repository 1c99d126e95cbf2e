// Streams to and from other nodes, handed over to a caller: its connection is switched to one stream. docs/api.md, "Streams".

import type { Duplex } from 'node:stream'
import { PROTOCOL_NAMES_MAX } from '../../lib/limits.ts'
import type { DoorStream } from '../streams/door.ts'
import { joinStreams } from '../streams/join.ts'
import { TUNNEL_PROTOCOL, Tunnel } from '../streams/tunnel.ts'
import type { ApiCall } from './node.ts'
import { peerOf } from './peers.ts'
import { bad } from './queries.ts'

/** What a caller may send ahead of the switch. */
const AHEAD_BYTES_MAX = 65_536

/** The connection of a caller that asked to have it switched. */
export interface Switching {
  readonly socket: Duplex
  /** What came behind the head of the call. */
  readonly head: Uint8Array
}

/** Opens a stream to another node. Resolves when it is over. */
export async function open(call: ApiCall, switching: Switching): Promise<void> {
  const { context, query } = call
  const names = query.texts('protocol')
  if (names.length === 0) throw bad('the query needs protocol')
  if (names.length > PROTOCOL_NAMES_MAX) throw bad(`at most ${PROTOCOL_NAMES_MAX} protocols can be offered`)
  const peer = peerOf(context.node, query.required('peer'))
  await handOver(call, switching, (signal) => context.node.open(peer, names, { signal }))
}

/** Takes the next stream that another node opens under this name. Resolves when it is over. */
export async function listen(call: ApiCall, switching: Switching): Promise<void> {
  const name = call.query.required('protocol')
  await handOver(call, switching, (signal) => call.context.listeners.next(name, signal))
}

async function handOver(
  { context, signal }: ApiCall,
  { socket, head }: Switching,
  obtain: (signal: AbortSignal) => Promise<DoorStream>,
): Promise<void> {
  const ahead = new Ahead(socket, head)
  let stream: DoorStream
  try {
    stream = await obtain(AbortSignal.any([signal, ahead.left]))
  } finally {
    ahead.end()
  }
  if (ahead.left.aborted) {
    stream.destroy()
    return
  }
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'connection: Upgrade',
    `upgrade: ${TUNNEL_PROTOCOL}`,
    `meshd-peer: ${stream.peer}`,
    `meshd-protocol: ${encodeURIComponent(stream.protocol)}`,
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  const tunnel = new Tunnel(socket, ahead.bytes(), { peer: stream.peer, protocol: stream.protocol }, 'node')
  const stop = (): void => void tunnel.destroy(context.closing.reason)
  context.closing.addEventListener('abort', stop, { once: true })
  await joinStreams(tunnel, stream)
  context.closing.removeEventListener('abort', stop)
}

/** Listens to a connection before it is switched: keeps what comes, and notices when the caller leaves. */
class Ahead {
  /** Aborted when the caller has left. */
  readonly left: AbortSignal
  readonly #left = new AbortController()
  readonly #socket: Duplex
  readonly #chunks: Uint8Array[]
  #bytes: number
  readonly #data = (chunk: Uint8Array): void => {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes > AHEAD_BYTES_MAX) this.#gone()
  }
  readonly #gone = (): void => this.#left.abort(new Error('the caller has left'))

  constructor(socket: Duplex, head: Uint8Array) {
    this.left = this.#left.signal
    this.#socket = socket
    this.#chunks = [head]
    this.#bytes = head.length
    socket.on('data', this.#data)
    for (const event of ['end', 'close', 'error']) socket.on(event, this.#gone)
  }

  end(): void {
    this.#socket.off('data', this.#data)
    this.#socket.pause()
    for (const event of ['end', 'close']) this.#socket.off(event, this.#gone)
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#chunks)
  }
}
