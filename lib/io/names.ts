// Host names to addresses by the system's own resolver, so that /etc/hosts, search domains and the like count.
// Not a cache: a name is asked anew each time. docs/protocol.md has no section for it.

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { MeshError } from '../errors.ts'
import { plainHost } from './endpoint.ts'
import { errnoWords } from './errno.ts'
import type { Names } from './world.ts'

const FAMILIES = { any: 0, ip4: 4, ip6: 6 } as const

/** The system's resolver, IPv4 and IPv6 in the order it gives. IP literals come back as they are. */
export const nodeNames: Names = {
  async resolve(name: string, family: 'any' | 'ip4' | 'ip6'): Promise<readonly string[]> {
    const wanted = FAMILIES[family]
    const literal = isIP(name)
    if (literal !== 0) {
      if (wanted !== 0 && wanted !== literal) throw notFound(name, `it is an IPv${literal} address, not IPv${wanted}`)
      return [name]
    }
    if (name === '') throw notFound(name, 'it is empty')
    const found = await lookup(name, { all: true, verbatim: true, family: wanted }).catch((error: unknown) => {
      throw notFound(name, errnoWords(error), error)
    })
    const hosts = new Set(found.map((entry) => plainHost(entry.address)).filter((host) => isIP(host) !== 0))
    if (hosts.size === 0) throw notFound(name, 'the name has no address')
    return [...hosts]
  },
}

function notFound(name: string, reason: string, cause?: unknown): MeshError {
  // The name may have come from a peer: quoted as JSON it cannot play tricks on a terminal with control characters.
  return new MeshError('name-not-found', `no address for ${JSON.stringify(name)}: ${reason}`, { cause })
}
