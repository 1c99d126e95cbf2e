// Carries out one try at one address: resolves the name, tries all its addresses one after the other, shakes hands. Which
// addresses are tried, and when again, is the table's business. docs/protocol.md, "Handshake and opening".

import { MeshError, reasonOf } from '../errors.ts'
import { type Address, formatAddress } from '../identity/address.ts'
import type { Identity } from '../identity/identities.ts'
import type { Names, Socket, Tcp } from '../io/world.ts'
import { type Admission, type Opened, Opening, type OpeningContext } from './opening.ts'

/** Addresses of one name that one try goes through. */
const ADDRESSES_PER_TRY_MAX = 16

/** Exactly one of `opened` and `failed` is called, once; neither after `signal` was aborted. */
export interface DialEvents {
  /** TCP is connected. */
  handshaking(): void
  admit(identity: Identity): Admission
  peersTold(records: readonly Uint8Array[], identity: Identity, socket: Socket): void
  opened(parts: Opened, address: string): void
  /** `culprit` as in OpeningEvents. */
  failed(error: MeshError, goodbyeCode: number | null, culprit: Identity | null): void
}

export interface DialerOptions {
  readonly context: OpeningContext
  readonly tcp: Tcp
  readonly names: Names
  readonly timeoutMs: number
}

/** How one try at one host ended without an open connection. */
interface Failure {
  readonly parts: null
  readonly error: MeshError
  readonly goodbyeCode: number | null
  readonly culprit: Identity | null
}

type Outcome = { readonly parts: Opened } | Failure

export class Dialer {
  readonly #options: DialerOptions

  constructor(options: DialerOptions) {
    this.#options = options
  }

  async dial(address: Address, keep: boolean, signal: AbortSignal, events: DialEvents): Promise<void> {
    let outcome: Outcome | null = null
    try {
      const hosts = await this.#resolve(address, signal)
      const reasons: string[] = []
      for (const host of hosts.slice(0, ADDRESSES_PER_TRY_MAX)) {
        if (signal.aborted) return
        outcome = await this.#tryHost(host, address, keep, signal, events)
        if (outcome.parts !== null) {
          // It may have been given up while the answer was on its way here.
          if (signal.aborted) return outcome.parts.socket.destroy()
          return events.opened(outcome.parts, formatAddress({ ...address, peer: null }))
        }
        reasons.push(outcome.error.message)
        // A node that answered and refused will do so at its other addresses too.
        if (outcome.goodbyeCode !== null) break
      }
      if (outcome !== null && reasons.length > 1 && outcome.goodbyeCode === null) {
        const all = new MeshError(outcome.error.code, [...new Set(reasons)].join('; '), { cause: outcome.error })
        outcome = { ...outcome, error: all }
      }
    } catch (error) {
      const failure =
        error instanceof MeshError ? error : new MeshError('dial-failed', reasonOf(error), { cause: error })
      outcome = failureOf(failure)
    }
    if (signal.aborted) return
    outcome ??= failureOf(new MeshError('name-not-found', `${address.host} has no address`))
    events.failed(outcome.error, outcome.goodbyeCode, outcome.culprit)
  }

  async #resolve(address: Address, signal: AbortSignal): Promise<readonly string[]> {
    const { names } = this.#options
    switch (address.kind) {
      case 'ip4':
      case 'ip6':
        return [address.host]
      case 'dns':
        return names.resolve(address.host, 'any', signal)
      case 'dns4':
        return names.resolve(address.host, 'ip4', signal)
      case 'dns6':
        return names.resolve(address.host, 'ip6', signal)
    }
  }

  async #tryHost(
    host: string,
    address: Address,
    keep: boolean,
    signal: AbortSignal,
    events: DialEvents,
  ): Promise<Outcome> {
    const { context, tcp, timeoutMs } = this.#options
    const { clock } = context
    const giveUp = new AbortController()
    const abort = (): void => giveUp.abort(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const timer = clock.timer(timeoutMs, abort)
    try {
      const socket = await tcp.dial({ host, port: address.port }, giveUp.signal)
      if (signal.aborted) {
        socket.destroy()
        throw new MeshError('aborted', 'the dial was given up')
      }
      events.handshaking()
      return await this.#open(socket, { expected: address.peer, keep }, signal, clock.nowMs() + timeoutMs, events)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      const late = error.code === 'aborted' && !signal.aborted
      const text = `no connection to ${host} port ${address.port} within ${timeoutMs / 1000} s`
      return failureOf(late ? new MeshError('dial-failed', text) : error)
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', abort)
    }
  }

  #open(
    socket: Socket,
    wish: { expected: string | null; keep: boolean },
    signal: AbortSignal,
    deadlineMs: number,
    events: DialEvents,
  ): Promise<Outcome> {
    return new Promise((resolve) => {
      const opening = new Opening(this.#options.context, socket, { initiator: true, ...wish }, deadlineMs, {
        admit: (identity) => events.admit(identity),
        refusalPeers: () => null,
        peersTold: (records, identity) => events.peersTold(records, identity, socket),
        opened: (parts) => {
          signal.removeEventListener('abort', abort)
          resolve({ parts })
        },
        failed: (error, goodbyeCode, culprit) => {
          signal.removeEventListener('abort', abort)
          resolve({ parts: null, error, goodbyeCode, culprit })
        },
      })
      const abort = (): void => opening.abort(new MeshError('aborted', 'the dial was given up'))
      signal.addEventListener('abort', abort, { once: true })
    })
  }
}

function failureOf(error: MeshError): Failure {
  return { parts: null, error, goodbyeCode: null, culprit: null }
}
