// TCP by node:net: listening, dialling, and one socket's events as one interface. Not a protocol: bytes in the order they
// come, nothing else. Carries docs/protocol.md section 1, "The stack".

import { connect, createServer, isIP, type Socket as NetSocket, type Server } from 'node:net'
import { MeshError } from '../errors.ts'
import { endpointText, plainHost } from './endpoint.ts'
import { errnoOf, errnoWords } from './errno.ts'
import { TcpSocket } from './tcp-socket.ts'
import type { Endpoint, Listener, Socket, Tcp } from './world.ts'

/** The machine's TCP. */
export const nodeTcp: Tcp = { listen, dial }

async function listen(endpoint: Endpoint, accept: (socket: Socket) => void): Promise<Listener> {
  const host = endpoint.host === '' ? '::' : endpoint.host
  const wanted = { host, port: endpoint.port }
  try {
    return await listenOn(wanted, accept)
  } catch (error) {
    if (host !== '::' || !NO_IPV6.has(errnoOf(error) ?? '')) throw listenFailed(wanted, error)
  }
  const onlyIpv4 = { host: '0.0.0.0', port: endpoint.port }
  return await listenOn(onlyIpv4, accept).catch((error: unknown) => {
    throw listenFailed(onlyIpv4, error)
  })
}

/** What binding '::' says on a machine without IPv6. */
const NO_IPV6: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'])

function listenOn(endpoint: Endpoint, accept: (socket: Socket) => void): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
    // Until it listens an error is the answer. Later ones are failed accepts (no descriptors left, a newcomer that has
    // gone already): they cost that newcomer alone, and without a listener they would end the process. Rejecting a
    // settled promise does nothing, which is just right for them.
    server.on('error', reject)
    server.on('connection', (accepted) => {
      const socket = connected(accepted)
      if (socket !== null) accept(socket)
    })
    // `exclusive`: in a cluster worker Node would otherwise share the port between processes that are different nodes.
    server.listen({ ...endpoint, exclusive: true }, () => resolve(listenerOf(server)))
  })
}

function listenerOf(server: Server): Listener {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('a TCP server has no address')
  return {
    endpoint: { host: plainHost(bound.address), port: bound.port },
    close(): Promise<void> {
      // The port is free as soon as this returns; the callback would wait for every accepted socket to end.
      if (server.listening) server.close()
      return Promise.resolve()
    },
  }
}

/** `listen-failed`, with what would be right; `task` is what this machine did not let be done. */
export function listenFailed(endpoint: Endpoint, cause: unknown, task = 'listen'): MeshError {
  const cannot = `cannot ${task} on ${endpointText(endpoint)}`
  switch (errnoOf(cause)) {
    case 'EADDRINUSE':
      return new MeshError(
        'listen-failed',
        `${cannot}: port ${endpoint.port} is in use; stop the program that has it, or choose another port (0 takes a free one)`,
        { cause },
      )
    case 'EACCES':
      return new MeshError(
        'listen-failed',
        `${cannot}: not permitted; choose a port above 1023, or allow this program to use port ${endpoint.port}`,
        { cause },
      )
    case 'EADDRNOTAVAIL':
      return new MeshError(
        'listen-failed',
        `${cannot}: this machine does not have the address ${endpoint.host}; use one of its own, or [::] for all`,
        { cause },
      )
    default:
      return new MeshError('listen-failed', `${cannot}: ${errnoWords(cause)}`, { cause })
  }
}

function dial(endpoint: Endpoint, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const at = endpointText(endpoint)
    if (signal.aborted) return reject(new MeshError('aborted', `dialling ${at} was aborted`, { cause: signal.reason }))
    if (isIP(endpoint.host) === 0) return reject(new MeshError('dial-failed', `${at}: the host is not an IP address`))
    const { port } = endpoint
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      return reject(new MeshError('dial-failed', `${at}: the port is not from 1 to 65535`))
    }

    const dialled = connect({ host: endpoint.host, port, allowHalfOpen: true, noDelay: true })
    // Paused before it is connected, so that nothing is read until somebody listens.
    dialled.pause()
    const onError = (cause: Error): void => {
      signal.removeEventListener('abort', onAbort)
      reject(new MeshError('dial-failed', `${at}: ${errnoWords(cause)}`, { cause }))
    }
    const onAbort = (): void => {
      dialled.destroy()
      reject(new MeshError('aborted', `dialling ${at} was aborted`, { cause: signal.reason }))
    }
    dialled.once('error', onError)
    signal.addEventListener('abort', onAbort, { once: true })
    dialled.once('connect', () => {
      signal.removeEventListener('abort', onAbort)
      const socket = connected(dialled)
      dialled.off('error', onError)
      if (socket === null) return reject(new MeshError('dial-failed', `${at}: connection reset`))
      if (socket.local.host === socket.remote.host && socket.local.port === socket.remote.port) {
        // The kernel may choose the dialled port as the local one and so join the socket to itself.
        socket.destroy({ reset: true })
        return reject(new MeshError('self-connection', `${at}: the socket was connected to itself`))
      }
      resolve(socket)
    })
  })
}

/** A connected socket with its endpoints; null, and gone, when the other end had left before we could ask who it is. */
function connected(socket: NetSocket): TcpSocket | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (
    remoteAddress === undefined ||
    remotePort === undefined ||
    localAddress === undefined ||
    localPort === undefined
  ) {
    // Its own error concerns nobody any more, but must not go without a listener.
    socket.on('error', () => socket.destroy())
    socket.destroy()
    return null
  }
  return new TcpSocket(
    socket,
    { host: plainHost(remoteAddress), port: remotePort },
    { host: plainHost(localAddress), port: localPort },
  )
}
