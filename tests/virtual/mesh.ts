// Whole nodes in the virtual world: the shipped Mesh, what it said, and what was delivered to it. Each node is a machine of
// its own with the address 10.0.0.<number>, listening on the default port unless it is told otherwise.

import { DEFAULT_PORT, Mesh, type MeshEvents, type MeshOptions, type Message } from '../../lib/index.ts'
import { VirtualTime } from './clock.ts'
import { type VirtualHost, VirtualNetwork } from './network.ts'
import { VirtualWorld, type WorldParts } from './world.ts'

/** One event of a mesh, as it came. */
export type Said = {
  [K in keyof MeshEvents]: { readonly event: K; readonly atMs: number } & MeshEvents[K][0]
}[keyof MeshEvents]

export class VirtualNode {
  readonly number: number
  readonly ip: string
  readonly world: VirtualWorld
  readonly mesh: Mesh
  readonly said: Said[] = []
  /** In the order of delivery; only with `hear`. */
  readonly messages: Message[] = []

  constructor(number: number, world: VirtualWorld, mesh: Mesh) {
    this.number = number
    this.ip = world.host.ip
    this.world = world
    this.mesh = mesh
    for (const event of ['listening', 'neighbourUp', 'neighbourDown', 'dialFailed', 'warning'] as const) {
      mesh.on(event, (details: object) => {
        this.said.push({ event, atMs: world.clock.nowMs(), ...details } as Said)
      })
    }
  }

  /** Where others dial it. */
  get address(): string {
    return `${this.ip}:${DEFAULT_PORT}`
  }

  get host(): VirtualHost {
    return this.world.host
  }

  /** Subscribes, and keeps what comes. */
  hear(pattern = '#'): this {
    this.mesh.subscribe(pattern, (message) => this.messages.push(message))
    return this
  }

  /** Texts of what was delivered. */
  get texts(): string[] {
    return this.messages.map((message) => message.text())
  }

  of<K extends keyof MeshEvents>(event: K): Extract<Said, { event: K }>[] {
    return this.said.filter((said) => said.event === event) as Extract<Said, { event: K }>[]
  }

  /** Peer ids of the open links. */
  get neighbours(): string[] {
    return this.mesh
      .neighbours()
      .filter(({ state }) => state === 'open')
      .map(({ peer }) => peer!)
  }

  hasNeighbour(other: VirtualNode): boolean {
    return this.neighbours.includes(other.mesh.id)
  }

  /** Nothing of a stopped node is left: no timer, no socket, no listener. */
  get leftovers(): { timers: number; sockets: number; listeners: number } {
    const { sockets, listenerCount } = this.host
    return { timers: this.world.clock.timerCount, sockets: sockets.size, listeners: listenerCount }
  }
}

export interface NodeParts extends WorldParts {
  /** Machine; by default one of its own. */
  readonly ip?: string
  /** Distinguishes the chance of two runs of one node. */
  readonly run?: number
}

/** A network of nodes and its time. */
export class VirtualMesh {
  readonly time: VirtualTime = new VirtualTime()
  readonly network: VirtualNetwork
  readonly #seed: number
  readonly #nodes: VirtualNode[] = []

  constructor(seed = 1) {
    this.#seed = seed
    this.network = new VirtualNetwork(this.time, seed)
  }

  /** Makes a node; the same number is the same identity. It looks for nobody by itself unless the options say so. */
  node(number: number, options: MeshOptions = {}, parts: NodeParts = {}): VirtualNode {
    const host = this.network.host(parts.ip ?? `10.0.0.${number}`)
    const world = new VirtualWorld(this.time, host, this.#seed * 1_000 + number + (parts.run ?? 0) * 7_919, parts)
    const mesh = new Mesh(
      {
        listen: [`${host.ip}:${DEFAULT_PORT}`],
        mdns: false,
        name: `node ${number}`,
        ...(options.dataDir === undefined ? { identity: identityOf(number) } : {}),
        ...options,
        degree: { target: 0, ...options.degree },
      },
      world,
    )
    const node = new VirtualNode(number, world, mesh)
    this.#nodes.push(node)
    return node
  }

  /** Makes a node and starts it. */
  async started(number: number, options: MeshOptions = {}, parts: NodeParts = {}): Promise<VirtualNode> {
    const node = this.node(number, options, parts)
    await this.start(node)
    return node
  }

  async start(...nodes: readonly VirtualNode[]): Promise<void> {
    await this.time.of(Promise.all(nodes.map((node) => node.mesh.start())))
  }

  /** Started nodes 1 to `count`, joined along the edges (pairs of indices from 0), each hearing everything. */
  async graph(
    count: number,
    edges: Iterable<readonly [number, number]>,
    options: MeshOptions = {},
  ): Promise<VirtualNode[]> {
    const nodes = Array.from({ length: count }, (_, index) => this.node(index + 1, options).hear())
    await this.start(...nodes)
    for (const [a, b] of edges) await this.join(nodes[a]!, nodes[b]!)
    return nodes
  }

  /** Has `a` dial `b`; resolves when both ends have the link. */
  async join(a: VirtualNode, b: VirtualNode): Promise<void> {
    await this.time.of(a.mesh.connect(b.address))
    await this.linked(a, b)
  }

  /** Waits until both ends have the link. */
  async linked(a: VirtualNode, b: VirtualNode, withinMs = 120_000): Promise<void> {
    const linked = (): boolean => a.hasNeighbour(b) && b.hasNeighbour(a)
    await this.time.until(`${a.number} and ${b.number} are neighbours`, linked, withinMs)
  }

  /** The process of a node dies: nothing of it runs any more, its connections are reset. */
  kill(node: VirtualNode): void {
    node.world.clock.kill()
    node.host.kill()
    node.world.files.breakLocks()
    this.#forget(node)
  }

  async stop(...nodes: readonly VirtualNode[]): Promise<void> {
    const stopping = nodes.length > 0 ? nodes : [...this.#nodes]
    for (const node of stopping) this.#forget(node)
    await this.time.of(Promise.all(stopping.map((node) => node.mesh.stop())))
  }

  #forget(node: VirtualNode): void {
    const at = this.#nodes.indexOf(node)
    if (at >= 0) this.#nodes.splice(at, 1)
  }
}

/** The Ed25519 seed of node `number`. */
export function identityOf(number: number): Uint8Array {
  const seed = new Uint8Array(32).fill(0x5a)
  seed[0] = number & 0xff
  seed[1] = number >> 8
  return seed
}

export function lineOf(count: number): [number, number][] {
  return Array.from({ length: count - 1 }, (_, index) => [index, index + 1])
}

export function ringOf(count: number): [number, number][] {
  return [...lineOf(count), [count - 1, 0]]
}

/** A connected graph: a random tree and `extra` further edges. `below` is a seeded source of numbers. */
export function randomGraph(count: number, extra: number, below: (limit: number) => number): [number, number][] {
  const edges = new Map<string, [number, number]>()
  const add = (a: number, b: number): void => {
    if (a !== b) edges.set(`${Math.min(a, b)} ${Math.max(a, b)}`, [a, b])
  }
  for (let node = 1; node < count; node++) add(node, below(node))
  for (let i = 0; i < extra; i++) add(below(count), below(count))
  return [...edges.values()]
}

/** Links on the shortest way from `from` to each node. */
export function distances(count: number, edges: readonly (readonly [number, number])[], from: number): number[] {
  const far = new Array<number>(count).fill(Number.POSITIVE_INFINITY)
  far[from] = 0
  for (let round = 0; round < count; round++) {
    for (const [a, b] of edges) {
      far[a] = Math.min(far[a]!, far[b]! + 1)
      far[b] = Math.min(far[b]!, far[a]! + 1)
    }
  }
  return far
}
