// Waiting for a link: with a node that this program asked for, or with one that is to be visited for a stream.

import type { Acquaintance } from './acquaintance.ts'
import { MeshError } from './errors.ts'
import type { Address } from './identity/address.ts'
import type { Clock } from './io/world.ts'
import type { Link } from './link/link.ts'
import type { ConnectListener, NeighbourTable, TableLink } from './neighbours/table.ts'
import { addressesToVisit } from './neighbours/visits.ts'

export interface ReachingParts {
  readonly clock: Clock
  readonly table: NeighbourTable
  readonly acquaintance: Acquaintance
  /** Every call that may change what the table wants to do next goes through here. */
  withTable<T>(call: (nowMs: number) => T): T
}

/** Asks the table for a link; what it returns takes that back. */
type Begin = (listener: ConnectListener, nowMs: number) => (nowMs: number) => void

export class Reaching {
  readonly #parts: ReachingParts

  constructor(parts: ReachingParts) {
    this.#parts = parts
  }

  /** Dials and waits for the link: the peer id. Rejects with the reason, or `aborted`. */
  async connect(address: Address, signal: AbortSignal | undefined): Promise<string> {
    const { table } = this.#parts
    return (await this.#link((listener, nowMs) => table.connect(address, listener, nowMs), signal)).identity.id
  }

  /**
   * The open link with that peer, or one that is made for the purpose, over the addresses that are known of it. Rejects with
   * `unreachable`, `aborted`, `banned`, `too-many-neighbours`, `disconnected`, `shutdown` or `not-running`.
   */
  async visit(peer: string, signal: AbortSignal | undefined): Promise<Link> {
    const { clock, table, acquaintance } = this.#parts
    const standing = table.link(peer) as Link | undefined
    if (standing?.isOpen) return standing
    const { book, members } = acquaintance
    const nodes = members.find(peer, clock.nowMs()).filter((node) => node.peer === peer)
    const told = nodes.flatMap((node) => node.addresses)
    const addresses = addressesToVisit(book.addressesOf(peer), told)
    return (await this.#link((listener, nowMs) => table.visit(addresses, listener, nowMs), signal)) as Link
  }

  #link(begin: Begin, signal: AbortSignal | undefined): Promise<TableLink> {
    const { withTable } = this.#parts
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new MeshError('aborted', 'the wait was aborted', { cause: signal.reason }))
      const onAbort = (): void => {
        withTable(withdraw)
        reject(new MeshError('aborted', 'the wait was aborted', { cause: signal!.reason }))
      }
      const settle = (end: () => void): void => {
        signal?.removeEventListener('abort', onAbort)
        end()
      }
      const listener = {
        opened: (link: TableLink) => settle(() => resolve(link)),
        failed: (error: MeshError) => settle(() => reject(error)),
      }
      signal?.addEventListener('abort', onAbort)
      const withdraw = withTable((nowMs) => begin(listener, nowMs))
    })
  }
}
