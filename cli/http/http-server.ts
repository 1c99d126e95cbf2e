// HTTP for those who watch a node: `GET /healthz` and `GET /metrics`, nothing that changes anything. One request a connection, each
// with a deadline that no pace of bytes can stretch. Serves its own address, the port of the mesh, or both. docs/cli.md, "HTTP".

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net'
import { reasonOf } from '../../lib/errors.ts'
import { listenFailed } from '../../lib/io/tcp.ts'
import { isHostAllowed } from './host-check.ts'

/** Connections at once; those of the mesh port are counted apart from those of the own address. */
export const CONNECTIONS_MAX = 64
/** From the first byte to a whole request, and then to a whole answer. */
export const REQUEST_MS_MAX = 5_000
export const ANSWER_MS_MAX = 10_000
const HEAD_BYTES_MAX = 8_192
const HEADERS_MAX = 64

/** First bytes by which HTTP is known on the port of the mesh; methods that are not served get an answer that says so. */
export const HTTP_PREFIXES: readonly string[] = ['GET ', 'HEAD ', 'POST ', 'PUT ', 'PATCH ', 'DELETE ', 'OPTIONS ']

export interface Watched {
  /** As JSON, for /healthz; null while the node is not running. */
  health(): object | null
  /** In the text format of Prometheus, with its content type. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>
}

export class HttpServer {
  readonly #watched: Watched
  /** Only takes connections; who listens is beside it. */
  readonly #http: Server
  #listener: TcpServer | null = null
  readonly #own = new Set<Socket>()
  readonly #shared = new Set<Socket>()
  #isClosed = false

  constructor(watched: Watched) {
    this.#watched = watched
    this.#http = createServer({ maxHeaderSize: HEAD_BYTES_MAX, keepAlive: false }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => send(request, response, 500, `${reasonOf(error)}\n`))
    })
    this.#http.maxHeadersCount = HEADERS_MAX
    // What is no HTTP gets no word: on the port of the mesh it may be anything.
    this.#http.on('clientError', (_error, socket) => socket.destroy())
  }

  /** Listens on an address of its own; resolves with its URL. Rejects with MeshError `listen-failed`. */
  listen(host: string, port: number): Promise<string> {
    const listener = createTcpServer((socket) => this.#take(socket, this.#own))
    this.#listener = listener
    return new Promise((resolve, reject) => {
      listener.once('error', (cause) => reject(listenFailed({ host, port }, cause, 'serve HTTP')))
      listener.listen({ host, port }, () => {
        // From now on it only tells of connections that could not be accepted, and goes on.
        listener.on('error', () => undefined)
        const { address, family, port: bound } = listener.address() as { address: string; family: string; port: number }
        resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${bound}/`)
      })
    })
  }

  /** Takes over a connection that has begun with one of HTTP_PREFIXES; those bytes are still to be read from it. */
  take(socket: Socket): void {
    this.#take(socket, this.#shared)
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    this.#isClosed = true
    const listener = this.#listener
    const closed = new Promise<void>((resolve) => (listener === null ? resolve() : listener.close(() => resolve())))
    for (const socket of [...this.#own, ...this.#shared]) socket.destroy()
    await closed
  }

  #take(socket: Socket, among: Set<Socket>): void {
    socket.on('error', () => undefined)
    if (this.#isClosed || among.size >= CONNECTIONS_MAX) return void socket.destroy()
    among.add(socket)
    const deadline = setTimeout(() => socket.destroy(), REQUEST_MS_MAX)
    deadlines.set(socket, deadline)
    socket.once('close', () => {
      clearTimeout(deadlines.get(socket))
      among.delete(socket)
    })
    this.#http.emit('connection', socket)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, method, headers } = request
    clearTimeout(deadlines.get(socket))
    deadlines.set(
      socket,
      setTimeout(() => socket.destroy(), ANSWER_MS_MAX),
    )
    const ends = { remote: socket.remoteAddress ?? '', local: socket.localAddress ?? '' }
    if (!isHostAllowed(headers.host, ends)) {
      return send(request, response, 403, 'this name is not served here; ask by IP address or as localhost\n')
    }
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD')
      return send(request, response, 405, 'only GET and HEAD are served here\n')
    }
    switch (request.url?.split('?', 1)[0]) {
      case '/healthz': {
        const health = this.#watched.health()
        const body = `${JSON.stringify(health ?? { status: 'not-running' })}\n`
        return send(request, response, health === null ? 503 : 200, body, 'application/json')
      }
      case '/metrics': {
        const { type, text } = await this.#watched.metrics()
        return send(request, response, 200, text, type)
      }
      default:
        return send(request, response, 404, 'there are /healthz and /metrics\n')
    }
  }
}

/** When a connection is given up. */
const deadlines = new WeakMap<Socket, NodeJS.Timeout>()

function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Connection: 'close',
  })
  response.end(method === 'HEAD' ? undefined : body)
}
