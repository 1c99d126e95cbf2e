// The local API as an HTTP server: which call is which, and what becomes of those that are none. Where it listens is for
// local-api.ts. docs/api.md, "Calls".

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import findMyWay from 'find-my-way'
import { TUNNEL_PROTOCOL } from '../streams/tunnel.ts'
import { ApiError, answerError, answerJson, errorBody, statusOf } from './answers.ts'
import { ping, request, send } from './direct.ts'
import type { ApiCall, ApiContext } from './node.ts'
import { publish } from './publish.ts'
import { Query } from './queries.ts'
import { reply, requests } from './requests.ts'
import { listen, open, type Switching } from './streams.ts'
import { acknowledge, subscribe } from './subscribe.ts'
import { nodes, peers, status, topics } from './tell.ts'

type Method = 'GET' | 'POST'
interface Route {
  readonly method: Method
  readonly path: string
  /** Names that its query may hold. */
  readonly query: readonly string[]
  readonly answer?: (call: ApiCall, response: ServerResponse) => Promise<void>
  /** In place of an answer: the connection is switched to a stream. */
  readonly switch?: (call: ApiCall, switching: Switching) => Promise<void>
}

/** Every call of version 1. docs/api.md lists them, and a test holds it against this. */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v1/status', query: [], answer: status },
  { method: 'GET', path: '/v1/peers', query: [], answer: peers },
  { method: 'GET', path: '/v1/nodes', query: [], answer: nodes },
  { method: 'GET', path: '/v1/topics', query: [], answer: topics },
  { method: 'POST', path: '/v1/publish', query: ['topic', 'confirm', 'timeoutMs'], answer: publish },
  { method: 'GET', path: '/v1/subscribe', query: ['pattern', 'since', 'durable', 'order', 'ack'], answer: subscribe },
  { method: 'POST', path: '/v1/acknowledge', query: [], answer: acknowledge },
  { method: 'POST', path: '/v1/send', query: [], answer: send },
  { method: 'POST', path: '/v1/request', query: [], answer: request },
  { method: 'GET', path: '/v1/requests', query: ['topic', 'timeoutMs'], answer: requests },
  { method: 'POST', path: '/v1/reply', query: [], answer: reply },
  { method: 'POST', path: '/v1/ping', query: [], answer: ping },
  { method: 'POST', path: '/v1/streams/open', query: ['peer', 'protocol'], switch: open },
  { method: 'GET', path: '/v1/streams/listen', query: ['protocol'], switch: listen },
]
/** `track` is given each call that is being answered. The server listens nowhere by itself. */
export function apiServer(context: ApiContext, track: (call: Promise<void>) => void): Server {
  const router = findMyWay({ caseSensitive: true })
  for (const route of ROUTES) router.on(route.method, route.path, () => undefined, route)
  const found = (request: IncomingMessage): { route: Route; query: Query } => {
    const [path, queryText = ''] = splitUrl(request.url ?? '/')
    const route: Route | undefined = router.find(request.method as Method, path)?.store
    if (route === undefined) throw unknown(request.method ?? '', path)
    return { route, query: new Query(queryText, route.query) }
  }
  const answerOne = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const left = new AbortController()
    response.on('close', () => left.abort())
    // A caller that leaves in the middle of its body.
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    try {
      if (request.url === '/') return answerJson(response, { versions: ['v1'], agent: context.facts.agent })
      const { route, query } = found(request)
      if (route.answer === undefined) throw notSwitched(route)
      await route.answer({ context, request, query, signal: AbortSignal.any([left.signal, context.closing]) }, response)
    } catch (error) {
      answerError(response, error)
    }
    // The rest of a body that nobody wants.
    request.resume()
  }
  const switchOne = async (request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> => {
    socket.on('error', () => undefined)
    try {
      const { route, query } = found(request)
      if (route.switch === undefined)
        throw new ApiError(400, 'bad-argument', `${route.path} is no stream; leave out "upgrade"`)
      if (request.headers.upgrade?.toLowerCase() !== TUNNEL_PROTOCOL) throw notSwitched(route)
      await route.switch({ context, request, query, signal: context.closing }, { socket, head })
    } catch (error) {
      refuse(socket, error)
    }
  }
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 0 })
  server.on('request', (request, response) => track(answerOne(request, response)))
  server.on('upgrade', (request, socket, head) => track(switchOne(request, socket, head)))
  server.on('clientError', (error, socket) => {
    if (socket.writable) refuse(socket, new ApiError(400, 'bad-argument', 'this is no HTTP/1.1', { cause: error }))
    else socket.destroy()
  })
  return server
}

function splitUrl(url: string): [path: string, query?: string] {
  const at = url.indexOf('?')
  return at === -1 ? [url] : [url.slice(0, at), url.slice(at + 1)]
}

function unknown(method: string, path: string): ApiError {
  const other = ROUTES.find((route) => route.path === path)
  if (other !== undefined) {
    return new ApiError(405, 'wrong-method', `${path} is for ${other.method}, not for ${method}`)
  }
  const version = /^\/(v[0-9]+)(\/|$)/.exec(path)?.[1]
  if (version !== undefined && version !== 'v1') {
    return new ApiError(404, 'unknown-version', `this node has no version ${version} of the local API; it has v1`)
  }
  const known = ROUTES.map((route) => route.path).join(', ')
  return new ApiError(404, 'unknown-path', `there is no ${path}; known are ${known}`)
}

function notSwitched({ path }: Route): ApiError {
  return new ApiError(426, 'bad-argument', `${path} is a stream; ask for it with "upgrade: ${TUNNEL_PROTOCOL}"`)
}

/** As an answer, on a connection that the HTTP server has given away. */
function refuse(socket: Duplex, error: unknown): void {
  const [code, body] = [statusOf(error), errorBody(error)]
  const head = `HTTP/1.1 ${code} ${STATUS_CODES[code]}\r\ncontent-type: application/json\r\n`
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`)
  // Nothing more is wanted of it, and what is not read would keep it open.
  socket.resume()
}
