// Several Direct machines over links of memory, in a time of their own: links have a delay, may lose frames, and can be cut.
// Every frame that crosses a link is kept, as someone on the way could.

import { Direct, type DirectOptions } from '../../lib/direct/direct.ts'
import { textKey } from '../../lib/direct/envelope.ts'
import { MeshError } from '../../lib/errors.ts'
import { Ranges } from '../../lib/flood/ranges.ts'
import type { Identity } from '../../lib/identity/identities.ts'
import type { KeyPair } from '../../lib/identity/key-pair.ts'
import { completedNative } from '../crypto/providers.ts'
import { type Seeded, seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'

export interface CrossedFrame {
  readonly from: number
  readonly to: number
  readonly body: Uint8Array
}

export interface VirtualNode {
  readonly number: number
  readonly keys: KeyPair
  readonly identity: Identity
  readonly id: string
  readonly originKey: string
  readonly warnings: string[]
  direct: Direct
  epoch: number
}

interface Due {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** What was thrown by `received`, and who threw it. */
export interface Rejection {
  readonly by: number
  readonly error: unknown
}

export class VirtualMesh {
  nowMs = 0
  delayMs = 10
  /** 0 to 1, of each frame on each link. */
  loss = 0
  readonly nodes: VirtualNode[] = []
  readonly crossed: CrossedFrame[] = []
  readonly rejections: Rejection[] = []
  readonly random: Seeded
  readonly #pairs = new Set<string>()
  #due: Due[] = []
  #order = 0

  constructor(count: number, seed: number = 1) {
    this.random = seeded(seed)
    for (let number = 0; number < count; number++) {
      const keys = keyPairOf(number + 1)
      const originKey = textKey(keys.identity.publicKey)
      const { identity } = keys
      const epoch = 1_000_000 + number
      // Its machine reads the node itself, whose epoch may change, so the one is made before the other.
      const node = { number, keys, identity, id: identity.id, originKey, warnings: [], epoch } as unknown as VirtualNode
      node.direct = this.#direct(node)
      this.nodes.push(node)
    }
  }

  node(number: number): VirtualNode {
    return this.nodes[number]!
  }

  link(a: number, b: number): void {
    this.#pairs.add(pairOf(a, b))
    this.node(a).direct.linkUp(this.node(b).identity)
    this.node(b).direct.linkUp(this.node(a).identity)
  }

  line(): this {
    for (let i = 1; i < this.nodes.length; i++) this.link(i - 1, i)
    return this
  }

  /** Both ends notice; `silently`: neither does. */
  cut(a: number, b: number, silently: boolean = false): void {
    this.#pairs.delete(pairOf(a, b))
    if (silently) return
    this.node(a).direct.linkDown(this.node(b).identity.key)
    this.node(b).direct.linkDown(this.node(a).identity.key)
  }

  neighboursOf(number: number): number[] {
    return this.nodes.filter((other) => this.#pairs.has(pairOf(number, other.number))).map((other) => other.number)
  }

  /** A new run of the same identity, with another epoch and nothing remembered. */
  restart(number: number, epoch: number): VirtualNode {
    const node = this.node(number)
    node.direct.close()
    node.epoch = epoch
    node.direct = this.#direct(node)
    for (const other of this.neighboursOf(number)) {
      this.node(other).direct.linkDown(node.identity.key)
      this.node(other).direct.linkUp(node.identity)
      node.direct.linkUp(this.node(other).identity)
    }
    return node
  }

  /** Puts a frame on a link, as whoever sits there could. */
  inject(from: number, to: number, body: Uint8Array): void {
    this.#later(() => this.#arrive(from, to, body))
  }

  /** Lets time pass: everything that is due until then happens, promises included. */
  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms
    for (let steps = 0; ; steps++) {
      if (steps > 100_000) throw new Error('it never comes to rest')
      await new Promise((resolve) => setImmediate(resolve))
      const next = this.#due.reduce<Due | null>(
        (first, one) => (first === null || earlier(one, first) ? one : first),
        null,
      )
      const ticking = this.nodes.reduce((first, one) =>
        one.direct.nextDeadlineMs() < first.direct.nextDeadlineMs() ? one : first,
      )
      const tickMs = ticking.direct.nextDeadlineMs()
      const atMs = Math.min(next?.atMs ?? Number.POSITIVE_INFINITY, tickMs)
      if (atMs > endMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      if (next !== null && next.atMs <= tickMs) {
        this.#due = this.#due.filter((one) => one !== next)
        next.run()
      } else {
        ticking.direct.tick()
      }
    }
    this.nowMs = endMs
  }

  #direct(node: VirtualNode): Direct {
    const { number } = node
    const send = (to: number, body: Uint8Array): boolean => {
      if (!this.nodes[to]) return false
      this.crossed.push({ from: number, to, body })
      const isLost = this.loss > 0 && this.random.below(1_000_000) < this.loss * 1_000_000
      if (!isLost) this.#later(() => this.#arrive(number, to, body))
      return true
    }
    const options: DirectOptions = {
      keyPair: node.keys,
      networkId: openNetwork.id,
      identities,
      primitives: completedNative,
      links: {
        send: (linkKey, body) => {
          const to = this.nodes.find((one) => one.identity.key === linkKey)
          return to !== undefined && send(to.number, body)
        },
        flood: (body, exceptLinkKey) => {
          let count = 0
          for (const to of this.neighboursOf(number)) {
            if (this.node(to).identity.key !== exceptLinkKey && send(to, body)) count++
          }
          return count
        },
      },
      epoch: () => node.epoch,
      knownEpoch: () => 0,
      random: (length) => this.random.bytes(length),
      nowMs: () => this.nowMs,
      newRanges: () => new Ranges(),
      deadlineMoved: () => {},
      warn: (code, text) => node.warnings.push(`${code}: ${text}`),
    }
    return new Direct(options)
  }

  #later(run: () => void): void {
    this.#due.push({ atMs: this.nowMs + this.delayMs, order: this.#order++, run })
  }

  #arrive(from: number, to: number, body: Uint8Array): void {
    if (!this.#pairs.has(pairOf(from, to))) return
    try {
      this.node(to).direct.received(this.node(from).identity.key, body)
    } catch (error) {
      this.rejections.push({ by: to, error })
    }
  }
}

function earlier(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

function pairOf(a: number, b: number): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}

/** What became of a promise so far; a rejection is its error. */
export function outcomeOf<T>(promise: Promise<T>): {
  state: 'waiting' | 'done' | 'failed'
  value?: T
  error?: unknown
} {
  const outcome: { state: 'waiting' | 'done' | 'failed'; value?: T; error?: unknown } = { state: 'waiting' }
  promise.then(
    (value) => Object.assign(outcome, { state: 'done', value }),
    (error: unknown) => Object.assign(outcome, { state: 'failed', error }),
  )
  return outcome
}

export function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? new Uint8Array(0)).toString()
}

export function codeOf(error: unknown): string {
  if (!(error instanceof MeshError)) throw new Error(`no MeshError: ${String(error)}`)
  return error.code
}
