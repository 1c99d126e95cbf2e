// How the links of a running node come to be: what the table of neighbours dials, and newcomers at the listener. Each try ends
// with an open connection or with a reason. Whether somebody is wanted is the table's to say.

import type { Acquaintance } from './acquaintance.ts'
import { primitives } from './crypto/choose.ts'
import { type ErrorCode, MeshError } from './errors.ts'
import { LAZY_LINKS, offersLazyLinks } from './flood/lazy-feature.ts'
import { type Address, formatAddress } from './identity/address.ts'
import type { Identities, Identity } from './identity/identities.ts'
import { parseIp } from './identity/ip.ts'
import type { KeyPair } from './identity/key-pair.ts'
import type { Network } from './identity/network.ts'
import type { Endpoint, Socket, World } from './io/world.ts'
import { PEERS_MAX } from './limits.ts'
import { Dialer } from './link/dialer.ts'
import type { Farewells } from './link/farewells.ts'
import type { Admission, Opened, OpeningContext } from './link/opening.ts'
import type { Sniffer } from './link/preamble.ts'
import { Reception } from './link/reception.ts'
import type { DialAttempt, NeighbourTable, Verdict } from './neighbours/table.ts'
import type { ResolvedOptions } from './options.ts'

export interface OpeningsOptions {
  readonly options: ResolvedOptions
  readonly world: World
  readonly keyPair: KeyPair
  readonly network: Network
  readonly identities: Identities
  readonly sniffer: Sniffer
  readonly farewells: Farewells
  readonly acquaintance: Acquaintance
  /** The table dials through here, so that it is made after this. */
  table(): NeighbourTable
  /** Every call that may change what the table wants to do next. */
  withTable(call: (nowMs: number) => void): void
  /** A newcomer's connection ended before it was open. */
  refused(code: ErrorCode): void
  /** `attempt` null: the other end dialled. `address` as text, of the other end. */
  opened(parts: Opened, attempt: DialAttempt | null, address: string): void
}

export class Openings {
  readonly #given: OpeningsOptions
  readonly #dialer: Dialer
  readonly #reception: Reception
  readonly #dials = new Map<number, AbortController>()

  constructor(given: OpeningsOptions) {
    this.#given = given
    const { options, world, acquaintance } = given
    const context = this.#context()
    this.#dialer = new Dialer({ context, tcp: world.tcp, names: world.names, timeoutMs: options.handshakeTimeoutMs })
    this.#reception = new Reception(context, given.sniffer, options.handshakeTimeoutMs, {
      admit: (identity, { host }) => admission(given.table().mayAdmit(identity, host, world.clock.nowMs())),
      refusalPeers: () => acquaintance.exchange.tell(PEERS_MAX, null),
      opened: (parts) => given.opened(parts, null, formatEndpoint(parts.socket.remote)),
      refused: (error, _remote, culprit) => {
        given.refused(error.code)
        this.#brokeProtocol(culprit, error)
      },
    })
  }

  accept(socket: Socket): void {
    this.#reception.accept(socket)
  }

  dial(attempt: DialAttempt): void {
    const { world, acquaintance, table, withTable, opened } = this.#given
    const controller = new AbortController()
    this.#dials.set(attempt.number, controller)
    void this.#dialer.dial(attempt.address, attempt.keep, controller.signal, {
      handshaking: () => withTable((nowMs) => table().handshaking(attempt, nowMs)),
      admit: (identity) => admission(table().mayProceed(identity, attempt, world.clock.nowMs())),
      peersTold: (records, identity, socket) => {
        acquaintance.exchange.told(records, { key: identity.key, host: socket.remote.host })
      },
      opened: (parts, address) => {
        this.#dials.delete(attempt.number)
        opened(parts, attempt, address)
      },
      failed: (error, goodbyeCode, culprit) => {
        this.#dials.delete(attempt.number)
        this.#brokeProtocol(culprit, error)
        withTable((nowMs) => table().dialFailed(attempt, error, nowMs, goodbyeCode))
      },
    })
  }

  /** Nothing of that attempt is told any more. */
  cancelDial(attempt: DialAttempt): void {
    this.#dials.get(attempt.number)?.abort()
    this.#dials.delete(attempt.number)
  }

  /** Ends all that is not open yet, for good. */
  stop(): void {
    this.#reception.close()
    for (const dial of this.#dials.values()) dial.abort()
    this.#dials.clear()
  }

  #context(): OpeningContext {
    const { options, world, keyPair, network, identities, farewells, acquaintance } = this.#given
    return {
      clock: world.clock,
      farewells,
      random: world.random,
      primitives,
      identities,
      keyPair,
      network,
      features: offersLazyLinks(options) ? [LAZY_LINKS] : [],
      about: (remote, keep) => {
        // A zone means something on this machine only.
        const observed = remote.host.includes('%') ? null : addressOf(remote)
        return acquaintance.about(observed, keep)
      },
      checkRecord: (record, identity) => acquaintance.exchange.check(record, identity),
    }
  }

  /** Before the link was open; `culprit` null: nobody proven did. */
  #brokeProtocol(culprit: Identity | null, error: MeshError): void {
    const { table, withTable } = this.#given
    if (culprit !== null) withTable((nowMs) => table().reject(culprit, error.message, nowMs))
  }
}

function admission(verdict: Verdict): Admission {
  if (verdict.ok) return verdict
  return { ok: false, code: verdict.code, error: new MeshError(verdict.reason, verdict.text) }
}

/** An endpoint as an address, or null when it is no IP literal. */
function addressOf(endpoint: Endpoint): Address | null {
  const ip = parseIp(endpoint.host)
  if (ip === null || endpoint.port === 0) return null
  return { host: endpoint.host, kind: ip.family, port: endpoint.port, peer: null }
}

function formatEndpoint(endpoint: Endpoint): string {
  const address = addressOf(endpoint)
  return address === null ? `${endpoint.host} port ${endpoint.port}` : formatAddress(address)
}
