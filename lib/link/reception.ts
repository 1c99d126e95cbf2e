// The listener's side before anything is proven: looks at a newcomer's first bytes, bounds how many strangers may be under
// way at once, and starts the handshake. docs/protocol.md, "Preamble" and "Handshake and opening".

import { concatBytes, EMPTY, toHex } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import type { Identity } from '../identity/identities.ts'
import { bytesOfIp6, scopeOf } from '../identity/ip.ts'
import { Alarm } from '../io/alarm.ts'
import type { Endpoint, Socket } from '../io/world.ts'
import { HALF_OPEN_MAX, HALF_OPEN_PER_ADDRESS_MAX, HANDSHAKES_PER_TURN_MAX, NEWCOMERS_MAX } from '../limits.ts'
import { type Admission, type Opened, Opening, type OpeningContext } from './opening.ts'
import { PREAMBLE, type Sniffer } from './preamble.ts'

export interface ReceptionEvents {
  admit(identity: Identity): Admission
  refusalPeers(): Uint8Array | null
  opened(parts: Opened): void
  /** A connection ended before it was open. `culprit` as in OpeningEvents. */
  refused(error: MeshError, remote: Endpoint, culprit: Identity | null): void
}

export class Reception {
  readonly #context: OpeningContext
  readonly #sniffer: Sniffer
  readonly #timeoutMs: number
  readonly #events: ReceptionEvents
  /** Every connection that is not open yet, and how to end it. */
  readonly #halfOpen = new Map<Socket, (error: MeshError) => void>()
  /** Those that shake hands. */
  readonly #handshakes = new Set<Socket>()
  /** Those whose turn to shake hands has not come, and how it begins. */
  readonly #waiting = new Map<Socket, () => void>()
  readonly #perBlock = new Map<string, number>()
  /** Handshakes that began in this turn. */
  #begun = 0

  constructor(context: OpeningContext, sniffer: Sniffer, timeoutMs: number, events: ReceptionEvents) {
    this.#context = context
    this.#sniffer = sniffer
    this.#timeoutMs = timeoutMs
    this.#events = events
  }

  /** A newcomer. Over the bounds it is closed at once. */
  accept(socket: Socket): void {
    const block = addressBlock(socket.remote.host)
    const sameBlock = this.#perBlock.get(block) ?? 0
    const overBlock = scopeOf(socket.remote.host) !== 'loopback' && sameBlock >= HALF_OPEN_PER_ADDRESS_MAX
    if (this.#halfOpen.size >= NEWCOMERS_MAX || overBlock) {
      socket.destroy()
      const text = 'too many connections are shaking hands; this one was closed'
      return this.#events.refused(new MeshError('too-many-handshakes', text), socket.remote, null)
    }
    this.#perBlock.set(block, sameBlock + 1)
    this.#sniff(socket)
  }

  /** Ends every connection that is not open yet. */
  close(): void {
    for (const end of [...this.#halfOpen.values()]) end(new MeshError('shutdown', 'this node is stopping'))
  }

  #sniff(socket: Socket): void {
    const { clock } = this.#context
    const deadlineMs = clock.nowMs() + this.#timeoutMs
    let bytes: Uint8Array = EMPTY
    const end = (error: MeshError): void => {
      alarm.cancel()
      socket.destroy()
      this.#leave(socket, error)
    }
    const alarm = new Alarm(clock, () => end(new MeshError('handshake-timeout', 'no preamble came in time')))
    alarm.set(deadlineMs)
    this.#halfOpen.set(socket, end)
    const lost = (): void => end(new MeshError('connection-lost', 'the connection ended before its preamble'))
    socket.attach({
      data: (chunk) => {
        bytes = bytes.length === 0 ? chunk : concatBytes(bytes, chunk)
        if (this.#waiting.has(socket)) return
        const owner = this.#sniffer.look(bytes)
        if (owner === 'more') return
        if (owner === 'unknown') return end(new MeshError('bad-preamble', 'the first bytes are not of this protocol'))
        if (owner === 'mesh') {
          return this.#inTurn(socket, () => {
            alarm.cancel()
            this.#handshake(socket, bytes.subarray(PREAMBLE.length), deadlineMs)
          })
        }
        alarm.cancel()
        this.#leave(socket, null)
        owner(socket.detach(bytes))
      },
      drained: () => {},
      ended: lost,
      closed: lost,
    })
  }

  /** A bounded number at a time and in one turn: each costs curve operations. Nothing more is read of those that wait. */
  #inTurn(socket: Socket, begin: () => void): void {
    if (this.#mayBegin) return this.#begin(begin)
    socket.pause()
    this.#waiting.set(socket, () => {
      begin()
      socket.resume()
    })
  }

  get #mayBegin(): boolean {
    return this.#handshakes.size < HALF_OPEN_MAX && this.#begun < HANDSHAKES_PER_TURN_MAX
  }

  #begin(begin: () => void): void {
    if (this.#begun++ === 0) {
      this.#context.clock.endOfTurn(() => {
        this.#begun = 0
        this.#beginWaiting()
      })
    }
    begin()
  }

  #handshake(socket: Socket, first: Uint8Array, deadlineMs: number): void {
    this.#handshakes.add(socket)
    // The opening may end before its constructor returns; what was set here before it stays out of the way.
    this.#halfOpen.set(socket, () => socket.destroy())
    const opening = new Opening(this.#context, socket, { initiator: false, first }, deadlineMs, {
      admit: (identity) => this.#events.admit(identity),
      refusalPeers: () => this.#events.refusalPeers(),
      peersTold: () => {},
      opened: (parts) => {
        this.#leave(socket, null)
        this.#events.opened(parts)
      },
      failed: (error, _goodbyeCode, culprit) => this.#leave(socket, error, culprit),
    })
    if (this.#halfOpen.has(socket)) this.#halfOpen.set(socket, (error) => opening.abort(error))
  }

  #leave(socket: Socket, error: MeshError | null, culprit: Identity | null = null): void {
    if (!this.#halfOpen.delete(socket)) return
    const block = addressBlock(socket.remote.host)
    const left = (this.#perBlock.get(block) ?? 1) - 1
    if (left === 0) this.#perBlock.delete(block)
    else this.#perBlock.set(block, left)
    if (error !== null) this.#events.refused(error, socket.remote, culprit)
    this.#waiting.delete(socket)
    if (this.#handshakes.delete(socket)) this.#beginWaiting()
  }

  #beginWaiting(): void {
    while (this.#mayBegin) {
      const next = this.#waiting.entries().next()
      if (next.done) return
      const [socket, begin] = next.value
      this.#waiting.delete(socket)
      this.#begin(begin)
    }
  }
}

/** What counts as one address: an IPv4 address, or the /64 of an IPv6 one, since that is what one customer gets. */
export function addressBlock(host: string): string {
  const bytes = host.includes(':') ? bytesOfIp6(host.split('%', 1)[0]!) : null
  return bytes === null ? host : toHex(bytes.subarray(0, 8))
}
