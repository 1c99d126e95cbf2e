// Hosts with addresses, and the paths between them: who can listen, dial and be cut off. Seeded: the same seed gives the same
// chunk borders, and the same order of everything.

import { MeshError } from '../../lib/errors.ts'
import type { Endpoint, InterfaceAddress, Listener, Socket, Tcp } from '../../lib/io/world.ts'
import { chance } from './chance.ts'
import type { VirtualTime } from './clock.ts'
import { type Path, type SocketGround, VirtualSocket } from './socket.ts'

const PATH_DELAY_MS = 1
const FIRST_FREE_PORT = 20_000

export class VirtualNetwork {
  readonly time: VirtualTime
  /** Each chunk that a socket reads has from 1 to so many bytes; null: all that are there. */
  chunkBytesMax: number | null = null
  /** What arrived when, where somebody asked for it. */
  trace: string[] | null = null
  readonly ground: SocketGround
  readonly #hosts = new Map<string, VirtualHost>()
  readonly #paths = new Map<string, VirtualPath>()

  constructor(time: VirtualTime, seed: number) {
    this.time = time
    const random = chance(seed)
    this.ground = {
      time,
      chunkBytes: (available) => {
        const { chunkBytesMax } = this
        return chunkBytesMax === null ? available : Math.min(available, 1 + random.below(chunkBytesMax))
      },
      arrived: (from, to, what) => {
        this.trace?.push(`${time.nowMs} ${from.host}:${from.port} > ${to.host}:${to.port} ${what}`)
      },
    }
  }

  /** A machine with this address, and loopback. */
  host(ip: string): VirtualHost {
    const known = this.#hosts.get(ip)
    if (known !== undefined) return known
    const host = new VirtualHost(this, ip)
    this.#hosts.set(ip, host)
    return host
  }

  find(ip: string): VirtualHost | undefined {
    return this.#hosts.get(ip)
  }

  /** The path between two hosts; one of a host with itself is loopback. */
  path(a: string, b: string): VirtualPath {
    const key = a < b ? `${a} ${b}` : `${b} ${a}`
    let path = this.#paths.get(key)
    if (path === undefined) {
      path = new VirtualPath(a === b ? 0 : PATH_DELAY_MS)
      this.#paths.set(key, path)
    }
    return path
  }

  /** From now on nothing gets through between the two, and neither is told. */
  cut(a: string, b: string): void {
    this.path(a, b).isCut = true
  }

  /** What was held up goes on its way. */
  restore(a: string, b: string): void {
    this.path(a, b).restore()
  }

  /** Every connection between the two is reset, at both ends. */
  reset(a: string, b: string): void {
    for (const [host, other] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const socket of this.find(host)?.sockets ?? []) if (socket.remote.host === other) socket.cutOff()
    }
  }
}

export class VirtualPath implements Path {
  delayMs: number
  bytesPerMs: number | null = null
  isCut = false
  #waiting: (() => void)[] = []

  constructor(delayMs: number) {
    this.delayMs = delayMs
  }

  whenRestored(run: () => void): void {
    this.#waiting.push(run)
  }

  restore(): void {
    this.isCut = false
    for (const run of this.#waiting.splice(0)) run()
  }
}

interface Listening {
  readonly endpoint: Endpoint
  accept(socket: Socket): void
}

export class VirtualHost {
  readonly ip: string
  /** Connections that are not closed at this end. */
  readonly sockets: Set<VirtualSocket> = new Set<VirtualSocket>()
  readonly #network: VirtualNetwork
  readonly #listening = new Map<number, Listening>()
  #nextPort = FIRST_FREE_PORT
  /** Counts up when the process here dies: what it had asked for is answered to nobody. */
  #life = 0

  constructor(network: VirtualNetwork, ip: string) {
    this.#network = network
    this.ip = ip
  }

  readonly tcp: Tcp = {
    listen: (endpoint, accept) => this.#listen(endpoint, accept),
    dial: (endpoint, signal) => this.#dial(endpoint, signal),
  }

  /** Connections being listened for. */
  get listenerCount(): number {
    return this.#listening.size
  }

  interfaces(): readonly InterfaceAddress[] {
    const common = { family: 'ip4', scope: 0 } as const
    return [
      { ...common, interfaceName: 'lo', host: '127.0.0.1', internal: true, prefixLength: 8 },
      { ...common, interfaceName: 'eth0', host: this.ip, internal: false, prefixLength: 8 },
    ]
  }

  /** The process here dies: its kernel resets every connection and listens no more. */
  kill(): void {
    this.#life++
    this.#listening.clear()
    for (const socket of [...this.sockets]) socket.kill()
  }

  #listen({ host, port: wanted }: Endpoint, accept: (socket: Socket) => void): Promise<Listener> {
    const port = wanted === 0 ? this.#freePort() : wanted
    if (this.#listening.has(port)) {
      return Promise.reject(new MeshError('listen-failed', `cannot listen on ${host} port ${port}: it is in use`))
    }
    const endpoint = { host: host === '' ? '::' : host, port }
    const listening = { endpoint, accept }
    this.#listening.set(port, listening)
    return Promise.resolve({
      endpoint,
      close: () => {
        if (this.#listening.get(port) === listening) this.#listening.delete(port)
        return Promise.resolve()
      },
    })
  }

  #listenerAt({ host, port }: Endpoint): Listening | undefined {
    const listening = this.#listening.get(port)
    if (listening === undefined) return undefined
    const bound = listening.endpoint.host
    return bound === '::' || bound === '0.0.0.0' || bound === host ? listening : undefined
  }

  #dial(to: Endpoint, signal: AbortSignal): Promise<Socket> {
    const at = `${to.host} port ${to.port}`
    return new Promise((resolve, reject) => {
      const life = this.#life
      let connecting: VirtualSocket | null = null
      const aborted = (): void => {
        connecting?.destroy({ reset: true })
        reject(new MeshError('aborted', `dialling ${at} was aborted`))
      }
      if (signal.aborted) return aborted()
      const isLoopback = to.host === '127.0.0.1'
      const other = isLoopback ? this : this.#network.find(to.host)
      const path = this.#network.path(this.ip, isLoopback ? this.ip : to.host)
      signal.addEventListener('abort', aborted, { once: true })
      this.#cross(path, () => {
        if (signal.aborted || life !== this.#life) return
        const listening = other === undefined ? undefined : other.#listenerAt(to)
        if (other === undefined || listening === undefined) {
          const text = `${at}: ${other === undefined ? 'no route to host' : 'connection refused'}`
          return this.#cross(path, () => reject(new MeshError('dial-failed', text)))
        }
        const from = { host: isLoopback ? to.host : this.ip, port: this.#freePort() }
        const [mine, theirs] = this.#connect(other, path, from, to)
        connecting = mine
        this.#cross(path, () => {
          if (signal.aborted || life !== this.#life) return
          signal.removeEventListener('abort', aborted)
          resolve(mine)
        })
        listening.accept(theirs)
      })
    })
  }

  #connect(other: VirtualHost, path: Path, from: Endpoint, to: Endpoint): [VirtualSocket, VirtualSocket] {
    const { ground } = this.#network
    const mine = new VirtualSocket(ground, path, from, to, (socket) => this.sockets.delete(socket))
    const theirs = new VirtualSocket(ground, path, to, from, (socket) => other.sockets.delete(socket))
    mine.join(theirs)
    theirs.join(mine)
    this.sockets.add(mine)
    other.sockets.add(theirs)
    return [mine, theirs]
  }

  /** Runs when a packet sent now is there; on a cut path, once that is restored. */
  #cross(path: VirtualPath, run: () => void): void {
    this.#network.time.after(path.delayMs, () => {
      if (path.isCut) path.whenRestored(() => this.#cross(path, run))
      else run()
    })
  }

  #freePort(): number {
    while (this.#listening.has(this.#nextPort)) this.#nextPort++
    return this.#nextPort++
  }
}
