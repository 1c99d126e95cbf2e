// Which node is meant by what a person typed: a peer id, a unique part of one at its beginning or end, or a name.
// docs/api.md, "Peers".

import { publicKeyOfPeerId, shortId } from '../../lib/identity/peer-id.ts'
import type { NeighbourSnapshot } from '../../lib/types.ts'
import { ApiError } from './answers.ts'
import type { ApiNode } from './node.ts'
import { bad } from './queries.ts'

const NAMED_MAX = 4

/**
 * The peer id. One that nobody here has heard of is taken as it is: its node may be reachable all the same. Throws ApiError
 * `bad-argument`, `unknown-peer` or `ambiguous-peer`.
 */
export function peerOf(node: Pick<ApiNode, 'find' | 'neighbours'>, text: string): string {
  if (text === '') throw bad('a peer is needed: its id, the beginning of it, or its name')
  const found = node.find(text)
  const peers = new Map(found.map(({ peer, name }) => [peer, name]))
  // A neighbour is there before the network has heard what it tells of itself.
  if (peers.size === 0) {
    for (const { peer, name } of node.neighbours())
      if (peer !== null && isMeant(text, { peer, name })) peers.set(peer, name ?? '')
  }
  const [first] = peers.keys()
  if (first !== undefined && peers.size === 1) return first
  if (first !== undefined) {
    const named = Array.from(peers, ([peer, name]) => `${name === '' ? 'no name' : name} (${shortId(peer)})`)
    const more = named.length > NAMED_MAX ? `, and ${named.length - NAMED_MAX} more` : ''
    const list = named.slice(0, NAMED_MAX).join(', ')
    const should = 'use more of the peer id'
    throw new ApiError(409, 'ambiguous-peer', `${JSON.stringify(text)} can mean ${list}${more}; ${should}`)
  }
  if (isPeerId(text)) return text
  const should =
    'a peer is an id, the beginning or end of one, or the name of a node in this network; see `meshd nodes`'
  throw new ApiError(404, 'unknown-peer', `nobody here knows ${JSON.stringify(text)}; ${should}`)
}

function isMeant(text: string, { peer, name }: { peer: string; name: NeighbourSnapshot['name'] }): boolean {
  return name === text || peer.startsWith(text) || peer.endsWith(text)
}

function isPeerId(text: string): boolean {
  try {
    publicKeyOfPeerId(text)
    return true
  } catch {
    // It is some other text; the caller says what would be right.
    return false
  }
}
