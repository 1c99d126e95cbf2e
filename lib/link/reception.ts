// The listener's side before anything is proven: looks at a newcomer's first bytes, bounds how many strangers may be under
// way at once, and starts the handshake. docs/protocol.md, "Preamble" and "Handshake and opening".

import { concatBytes, EMPTY } from '../bytes.ts'
import { MeshError } from '../errors.ts'
import type { Identity } from '../identity/identities.ts'
import { Alarm } from '../io/alarm.ts'
import type { Endpoint, Socket } from '../io/world.ts'
import { HALF_OPEN_MAX, HALF_OPEN_PER_ADDRESS_MAX, HANDSHAKES_PER_TURN_MAX, NEWCOMERS_MAX } from '../limits.ts'
import { type Admission, type Opened, Opening, type OpeningContext } from './opening.ts'
import { PREAMBLE, type Sniffer } from './preamble.ts'
import { type Provenance, provenanceOf, Tally, whoGivesWay, whoseTurn } from './provenance.ts'

export interface ReceptionEvents {
  admit(identity: Identity, remote: Endpoint): Admission
  refusalPeers(): Uint8Array | null
  opened(parts: Opened): void
  /** A connection ended before it was open. `culprit` as in OpeningEvents. */
  refused(error: MeshError, remote: Endpoint, culprit: Identity | null): void
}

interface Newcomer extends Provenance {
  readonly socket: Socket
  /** How it ends as things stand. */
  end(error: MeshError): void
}

export class Reception {
  readonly #context: OpeningContext
  readonly #sniffer: Sniffer
  readonly #timeoutMs: number
  readonly #events: ReceptionEvents
  /** Every connection that is not open yet, the oldest first. */
  readonly #halfOpen = new Set<Newcomer>()
  readonly #halfOpenTally = new Tally()
  /** Those that shake hands. */
  readonly #handshakes = new Set<Newcomer>()
  readonly #handshakeTally = new Tally()
  /** Those whose turn to shake hands has not come, and how it begins. */
  readonly #waiting = new Map<Newcomer, () => void>()
  /** Handshakes that began in this turn. */
  #begun = 0

  constructor(context: OpeningContext, sniffer: Sniffer, timeoutMs: number, events: ReceptionEvents) {
    this.#context = context
    this.#sniffer = sniffer
    this.#timeoutMs = timeoutMs
    this.#events = events
  }

  /**
   * A newcomer. Over the bound for its address it is closed at once; over that for all, unless somebody from a more crowded place
   * gives way to it.
   */
  accept(socket: Socket): void {
    const from = provenanceOf(socket.remote.host)
    const isOver = from.block !== 'loopback' && this.#halfOpenTally.of('block', from) >= HALF_OPEN_PER_ADDRESS_MAX
    if (isOver || (this.#halfOpen.size >= NEWCOMERS_MAX && !this.#makeRoom(from))) {
      socket.destroy()
      const text = 'too many connections are shaking hands; this one was closed'
      return this.#events.refused(new MeshError('too-many-handshakes', text), socket.remote, null)
    }
    this.#sniff(socket, from)
  }

  #makeRoom(from: Provenance): boolean {
    const chosen = whoGivesWay(this.#halfOpen, this.#halfOpenTally, from)
    chosen?.end(new MeshError('too-many-handshakes', 'too many connections from one place are shaking hands'))
    return chosen !== null
  }

  /** Ends every connection that is not open yet. */
  close(): void {
    for (const newcomer of [...this.#halfOpen]) newcomer.end(new MeshError('shutdown', 'this node is stopping'))
  }

  #sniff(socket: Socket, from: Provenance): void {
    const { clock } = this.#context
    const deadlineMs = clock.nowMs() + this.#timeoutMs
    let bytes: Uint8Array = EMPTY
    const newcomer: Newcomer = {
      ...from,
      socket,
      end: (error) => {
        alarm.cancel()
        socket.destroy()
        this.#leave(newcomer, error)
      },
    }
    const alarm = new Alarm(clock, () => newcomer.end(new MeshError('handshake-timeout', 'no preamble came in time')))
    alarm.set(deadlineMs)
    this.#halfOpen.add(newcomer)
    this.#halfOpenTally.add(newcomer)
    const lost = (): void => newcomer.end(new MeshError('connection-lost', 'the connection ended before its preamble'))
    socket.attach({
      data: (chunk) => {
        bytes = bytes.length === 0 ? chunk : concatBytes(bytes, chunk)
        if (this.#waiting.has(newcomer)) return
        const owner = this.#sniffer.look(bytes)
        if (owner === 'more') return
        if (owner === 'unknown')
          return newcomer.end(new MeshError('bad-preamble', 'the first bytes are not of this protocol'))
        if (owner === 'mesh') {
          return this.#inTurn(newcomer, () => {
            alarm.cancel()
            this.#handshake(newcomer, bytes.subarray(PREAMBLE.length), deadlineMs)
          })
        }
        alarm.cancel()
        this.#leave(newcomer, null)
        owner(socket.detach(bytes))
      },
      drained: () => {},
      ended: lost,
      closed: lost,
    })
  }

  /** A bounded number at a time and in one turn: each costs curve operations. Nothing more is read of those that wait. */
  #inTurn(newcomer: Newcomer, begin: () => void): void {
    if (this.#mayBegin) return this.#begin(begin)
    newcomer.socket.pause()
    this.#waiting.set(newcomer, () => {
      begin()
      newcomer.socket.resume()
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

  #handshake(newcomer: Newcomer, first: Uint8Array, deadlineMs: number): void {
    const { socket } = newcomer
    this.#handshakes.add(newcomer)
    this.#handshakeTally.add(newcomer)
    // The opening may end before its constructor returns; what was set here before it stays out of the way.
    newcomer.end = () => socket.destroy()
    const opening = new Opening(this.#context, socket, { initiator: false, first }, deadlineMs, {
      admit: (identity) => this.#events.admit(identity, socket.remote),
      refusalPeers: () => this.#events.refusalPeers(),
      peersTold: () => {},
      opened: (parts) => {
        this.#leave(newcomer, null)
        this.#events.opened(parts)
      },
      failed: (error, _goodbyeCode, culprit) => this.#leave(newcomer, error, culprit),
    })
    newcomer.end = (error) => opening.abort(error)
  }

  #leave(newcomer: Newcomer, error: MeshError | null, culprit: Identity | null = null): void {
    if (!this.#halfOpen.delete(newcomer)) return
    this.#halfOpenTally.remove(newcomer)
    if (error !== null) this.#events.refused(error, newcomer.socket.remote, culprit)
    this.#waiting.delete(newcomer)
    if (!this.#handshakes.delete(newcomer)) return
    this.#handshakeTally.remove(newcomer)
    this.#beginWaiting()
  }

  /** Those from where fewest shake hands come first: whoever only holds his place holds up his own. */
  #beginWaiting(): void {
    while (this.#mayBegin) {
      const newcomer = whoseTurn(this.#waiting.keys(), this.#handshakeTally)
      if (newcomer === null) return
      const begin = this.#waiting.get(newcomer)!
      this.#waiting.delete(newcomer)
      this.#begin(begin)
    }
  }
}
