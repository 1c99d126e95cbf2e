// Nodes from small numbers, openings that write down what became of them, and links that do, over sockets of memory.

import { MeshError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/identity/identities.ts'
import { type Network, networkOf } from '../../lib/identity/network.ts'
import type { Clock, Random, Socket } from '../../lib/io/world.ts'
import { encodeAbout } from '../../lib/link/about.ts'
import { Farewells } from '../../lib/link/farewells.ts'
import { Link, type LinkContext } from '../../lib/link/link.ts'
import { type Admission, type Opened, Opening, type OpeningContext } from '../../lib/link/opening.ts'
import { PREAMBLE } from '../../lib/link/preamble.ts'
import { completedNative } from '../crypto/providers.ts'
import { seeded } from '../crypto/seeded.ts'
import { identities, keyPairOf, openNetwork } from '../identity/nodes.ts'
import type { FakeClock } from './fake-clock.ts'
import { type MemorySocket, memoryPair } from './memory-socket.ts'

export const otherNetwork: Network = networkOf('another', null, completedNative)

export function randomOf(seed: number): Random {
  const random = seeded(seed)
  return { bytes: (length) => random.bytes(length), fraction: () => random.below(1_000_000) / 1_000_000 }
}

export function contextOf(number: number, clock: Clock, given: Partial<OpeningContext> = {}): OpeningContext {
  return {
    clock,
    farewells: new Farewells(clock),
    random: randomOf(number + 1),
    primitives: completedNative,
    identities,
    keyPair: keyPairOf(number),
    network: openNetwork,
    features: [],
    about: () => encodeAbout({ agent: 'test', name: `node ${number}`, record: null, observed: null, keep: false }),
    checkRecord: () => {},
    ...given,
  }
}

/** How an opening ended, and what it asked on its way. */
export class Outcome {
  opened: Opened | null = null
  error: MeshError | null = null
  goodbyeCode: number | null = null
  readonly told: { records: readonly Uint8Array[]; identity: Identity }[] = []
  readonly asked: Identity[] = []
  admission: Admission = { ok: true }
  refusalPeers: Uint8Array | null = null
  onAdmit: () => void = () => {}
  onTold: () => void = () => {}

  get isOver(): boolean {
    return this.opened !== null || this.error !== null
  }

  readonly admit = (identity: Identity): Admission => {
    this.asked.push(identity)
    this.onAdmit()
    return this.admission
  }

  readonly peersTold = (records: readonly Uint8Array[], identity: Identity): void => {
    this.told.push({ records, identity })
    this.onTold()
  }

  readonly openedAs = (parts: Opened): void => {
    this.#once()
    this.opened = parts
  }

  readonly failedWith = (error: MeshError, goodbyeCode: number | null): void => {
    this.#once()
    this.error = error
    this.goodbyeCode = goodbyeCode
  }

  #once(): void {
    if (this.isOver) throw new Error('an opening ended twice')
  }
}

export const DEADLINE_MS = 5_000

/** Starts an opening at once; `expected` and `first` as its role takes them. */
export function startOpening(
  context: OpeningContext,
  socket: Socket,
  role: ConstructorParameters<typeof Opening>[2],
  outcome: Outcome = new Outcome(),
): Outcome & { opening: Opening } {
  const opening = new Opening(context, socket, role, context.clock.nowMs() + DEADLINE_MS, {
    admit: outcome.admit,
    refusalPeers: () => outcome.refusalPeers,
    peersTold: outcome.peersTold,
    opened: outcome.openedAs,
    failed: outcome.failedWith,
  })
  return Object.assign(outcome, { opening })
}

/** What a link told its surroundings. */
export class LinkLog {
  readonly frames: { type: number; body: Uint8Array }[] = []
  readonly peersAsked: number[] = []
  readonly peersTold: (readonly Uint8Array[])[] = []
  progressed = 0
  #closed: { error: MeshError; goodbyeCode: number | null } | null = null
  /** What `frame` does beside writing down. */
  onFrame: (type: number, body: Uint8Array) => boolean = () => true
  answer: Uint8Array = Uint8Array.of(0x80)

  get closed(): { error: MeshError; goodbyeCode: number | null } | null {
    return this.#closed
  }

  get isClosed(): boolean {
    return this.#closed !== null
  }

  end(error: MeshError, goodbyeCode: number | null): void {
    if (this.#closed !== null) throw new Error('a link was closed twice')
    this.#closed = { error, goodbyeCode }
  }
}

export interface End {
  readonly link: Link
  readonly log: LinkLog
  readonly socket: MemorySocket
  readonly context: LinkContext
}

export function linkContextOf(clock: Clock, given: Partial<LinkContext> = {}): LinkContext {
  return {
    clock,
    farewells: new Farewells(clock),
    fraction: () => 0.5,
    heartbeat: { intervalMs: 30_000, missedMax: 3 },
    budget: { bytes: 0, bytesMax: 64 * 1_048_576 },
    brake: { isOn: false, whenOff: () => {} },
    counters: { bytesIn: 0, bytesOut: 0, framesIn: 0, framesOut: 0, unknownFrames: 0 },
    ...given,
  }
}

export function linkOver(parts: Opened, direction: 'in' | 'out', context: LinkContext): { link: Link; log: LinkLog } {
  const log = new LinkLog()
  const link = new Link(parts, direction, '/ip4/127.0.0.1/tcp/6374', context, {
    frame: (type, body) => {
      log.frames.push({ type, body })
      return log.onFrame(type, body)
    },
    peersAsked: (count) => {
      log.peersAsked.push(count)
      return log.answer
    },
    peersTold: (records) => log.peersTold.push(records),
    progressed: () => log.progressed++,
    closed: (error, goodbyeCode) => log.end(error, goodbyeCode),
  })
  return { link, log }
}

/** The parts of an open connection between nodes 1 (dialler) and 2. */
export function openedPair(clock: FakeClock): {
  parts: [Opened, Opened]
  sockets: [MemorySocket, MemorySocket]
} {
  const sockets = memoryPair(clock)
  const listener = startOpening(contextOf(2, clock), sockets[1], { initiator: false, first: new Uint8Array(0) })
  // The listener's side begins behind the preamble, which Reception has read.
  const dialled = withoutPreamble(sockets[0])
  const dialler = startOpening(contextOf(1, clock), dialled, { initiator: true, expected: null, keep: false })
  clock.settle()
  const failed = dialler.error ?? listener.error
  if (dialler.opened === null || listener.opened === null) throw failed ?? new MeshError('bad-handshake', 'not open')
  return { parts: [{ ...dialler.opened, socket: sockets[0] }, listener.opened], sockets }
}

/** Two open links, started: the dialler's end first. */
export function linkPair(
  clock: FakeClock,
  given: { dialler?: Partial<LinkContext>; listener?: Partial<LinkContext> } = {},
): [End, End] {
  const { parts, sockets } = openedPair(clock)
  const contexts = [linkContextOf(clock, given.dialler), linkContextOf(clock, given.listener)] as const
  const dialler = linkOver(parts[0], 'out', contexts[0])
  const listener = linkOver(parts[1], 'in', contexts[1])
  dialler.link.start()
  listener.link.start()
  clock.settle()
  return [
    { ...dialler, socket: sockets[0], context: contexts[0] },
    { ...listener, socket: sockets[1], context: contexts[1] },
  ]
}

/** The socket for a dialler whose listener has read the preamble already: cuts it off the first write. */
export function withoutPreamble(socket: MemorySocket): Socket {
  let isFirst = true
  return new Proxy(socket, {
    get(target, name) {
      if (name === 'write') {
        return (bytes: Uint8Array, done?: () => void) => {
          const behind = isFirst ? bytes.subarray(PREAMBLE.length) : bytes
          isFirst = false
          if (behind.length > 0) target.write(behind, done)
        }
      }
      const value = Reflect.get(target, name, target) as unknown
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value
    },
  })
}
