// What the node tells about itself and its neighbours, in words, for the chat and the pipe.

import { hostPort, parseAddress } from '../lib/identity/address.ts'
import type { MeshEvents } from '../lib/types.ts'
import type { FileReceived } from './files/receiver.ts'
import type { Notices } from './notices.ts'
import type { People } from './people.ts'

/** Addresses whose last failure is remembered; when full, the memory starts afresh. */
const FAILURES_MAX = 1_024
const ADDRESSES_SHOWN_MAX = 8

export class Happenings {
  readonly #notices: Notices
  readonly #people: People
  readonly #stopping: AbortSignal
  /** Address to the reason last told: a node dials for ever, and people need to hear of one failure once. */
  readonly #failures = new Map<string, string>()

  /** Once `stopping` is aborted, links that close are no news. */
  constructor(notices: Notices, people: People, stopping: AbortSignal) {
    this.#notices = notices
    this.#people = people
    this.#stopping = stopping
  }

  listening({ id, addresses }: MeshEvents['listening'][0]): void {
    this.#notices.info(`this node is ${id}`)
    for (const address of addresses.slice(0, ADDRESSES_SHOWN_MAX)) this.#notices.info(`listening on ${address}`)
    const more = addresses.length - ADDRESSES_SHOWN_MAX
    if (more > 0) this.#notices.info(`and on ${more} more addresses; meshd id lists them`)
    if (addresses.length === 0) this.#notices.info('listening nowhere: others cannot connect to this node')
  }

  neighbourUp({ peer, address, direction, name }: MeshEvents['neighbourUp'][0]): void {
    this.#failures.delete(address)
    this.#people.learn(peer, name)
    const how = direction === 'in' ? 'from' : 'at'
    this.#notices.info(`connected: ${this.#people.full(peer)} ${how} ${readable(address)}`)
  }

  neighbourDown({ peer, reason, retryInMs }: MeshEvents['neighbourDown'][0]): void {
    if (this.#stopping.aborted) return
    this.#notices.info(`disconnected: ${this.#people.full(peer)}: ${reason}${nextTry(retryInMs)}`)
  }

  dialFailed({ address, reason, retryInMs }: MeshEvents['dialFailed'][0]): void {
    const where = readable(address)
    // Most reasons begin with the address that was dialled; of a name's addresses it may be another one.
    const why = reason.startsWith(`${where}: `) ? reason.slice(where.length + 2) : reason
    const text = `cannot reach ${where}: ${why}${nextTry(retryInMs)}`
    if (this.#failures.get(address) === reason) {
      this.#notices.debug(text)
      return
    }
    if (this.#failures.size >= FAILURES_MAX) this.#failures.clear()
    this.#failures.set(address, reason)
    this.#notices.info(text)
  }

  nodeUp({ peer, name }: MeshEvents['nodeUp'][0]): void {
    this.#people.learn(peer, name)
    this.#notices.debug(`in the network: ${this.#people.full(peer)}`)
  }

  nodeDown({ peer, reason }: MeshEvents['nodeDown'][0]): void {
    this.#notices.debug(`no longer in the network: ${this.#people.full(peer)}: ${reason}`)
  }

  httpListening(url: string): void {
    this.#notices.info(`HTTP at ${url}healthz and ${url}metrics`)
  }

  fileReceived({ peer, name, path, bytes }: FileReceived): void {
    this.#notices.info(`received ${name} from ${this.#people.full(peer)}, ${bytes} bytes: ${path}`)
  }

  gap({ from, first, last }: MeshEvents['gap'][0]): void {
    const which = first === last ? `message ${first}` : `messages ${first} to ${last}`
    this.#notices.warn(`passed over ${which} of ${this.#people.full(from)}: not here in time`)
  }
}

/** `host:port` where the multiaddr is of the usual form, else as it is. */
export function readable(address: string): string {
  try {
    return hostPort(parseAddress(address))
  } catch {
    return address
  }
}

/** `, next try in 4 s`, or nothing when none is planned. */
export function nextTry(retryInMs: number | null): string {
  return retryInMs === null ? '' : `; next try in ${(retryInMs / 1000).toFixed(1)} s`
}
