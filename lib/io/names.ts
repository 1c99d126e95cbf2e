// Host names to addresses by the system's own resolver, so that /etc/hosts, search domains and the like count.
// Not a cache: a name is asked anew each time. docs/protocol.md has no section for it.

import { lookup as systemLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { MeshError } from '../errors.ts'
import { plainHost } from './endpoint.ts'
import { errnoWords } from './errno.ts'
import type { Names } from './world.ts'

/**
 * Lookups that the system is asked for at once; as many as Node's own threads would do. What the system has begun it cannot give up,
 * for up to 10 s where no name server answers, and neither can the process end before. So what is not begun waits here.
 */
const LOOKUPS_MAX = 2
const FAMILIES = { any: 0, ip4: 4, ip6: 6 } as const

type Lookup = (
  name: string,
  options: { all: true; verbatim: true; family: 0 | 4 | 6 },
) => Promise<readonly { readonly address: string }[]>

/** Names by `lookup`, which rejects with an errno. */
export function namesBy(lookup: Lookup): Names {
  const turns = new Turns(LOOKUPS_MAX)
  return {
    async resolve(name, family, signal): Promise<readonly string[]> {
      const wanted = FAMILIES[family]
      const literal = isIP(name)
      if (literal !== 0) {
        if (wanted !== 0 && wanted !== literal) throw notFound(name, `it is an IPv${literal} address, not IPv${wanted}`)
        return [name]
      }
      if (name === '') throw notFound(name, 'it is empty')
      await turns.take(signal)
      try {
        const found = await lookup(name, { all: true, verbatim: true, family: wanted }).catch((error: unknown) => {
          throw notFound(name, errnoWords(error), error)
        })
        const hosts = new Set(found.map((entry) => plainHost(entry.address)).filter((host) => isIP(host) !== 0))
        if (hosts.size === 0) throw notFound(name, 'the name has no address')
        return [...hosts]
      } finally {
        turns.give()
      }
    },
  }
}

/** So many at a time, the others in the order in which they came. */
class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(atOnce: number) {
    this.#free = atOnce
  }

  /** Resolves when it is this one's turn. Rejects with MeshError `aborted`. */
  async take(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw aborted(signal)
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      const abort = (): void => {
        this.#waiting.delete(go)
        reject(aborted(signal))
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.add(go)
    })
  }

  give(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#free++
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}

function aborted(signal: AbortSignal): MeshError {
  return new MeshError('aborted', 'the lookup was given up', { cause: signal.reason })
}

function notFound(name: string, reason: string, cause?: unknown): MeshError {
  // The name may have come from a peer: quoted as JSON it cannot play tricks on a terminal with control characters.
  return new MeshError('name-not-found', `no address for ${JSON.stringify(name)}: ${reason}`, { cause })
}

/** The system's resolver, IPv4 and IPv6 in the order it gives. IP literals come back as they are. */
export const nodeNames: Names = namesBy(systemLookup)
