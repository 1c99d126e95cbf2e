// Streams to and from other nodes for the commands of this program, through the node that runs here. docs/api.md, "Streams".

import { ERROR_FAULTS, type ErrorCode, MeshError } from '../../lib/errors.ts'
import { StreamResetError } from '../../lib/streams/reset-codes.ts'
import { Failure } from '../failures.ts'
import type { DoorStream, StreamDoor } from '../streams/door.ts'
import { TUNNEL_PROTOCOL, Tunnel } from '../streams/tunnel.ts'
import { ApiFailure, type NodeClient, type Switched } from './node-client.ts'

export function streamDoor(client: NodeClient): StreamDoor {
  const through = async (switching: Promise<Switched>): Promise<DoorStream> => {
    try {
      const { socket, head, headers } = await switching
      const peer = String(headers['meshd-peer'] ?? '')
      const protocol = decodeURIComponent(String(headers['meshd-protocol'] ?? ''))
      return new Tunnel(socket, head, { peer, protocol })
    } catch (error) {
      throw error instanceof ApiFailure ? asMeshError(error) : error
    }
  }
  return {
    open: (peer, names, { signal }) => {
      return through(client.switch('POST', '/v1/streams/open', { peer, protocol: names }, TUNNEL_PROTOCOL, signal))
    },
    accept: (name, { signal }) => {
      return through(client.switch('GET', '/v1/streams/listen', { protocol: name }, TUNNEL_PROTOCOL, signal))
    },
  }
}

/** What the node's library said, as if it were in this process; other errors stay as they are. */
function asMeshError(error: ApiFailure): Error {
  // There is no stream yet: whether the node stops or is killed, none is running.
  if (error.code === 'shutdown') {
    return new Failure('not-running', `${error.message}; start it again with \`meshd run\``, { cause: error })
  }
  if (error.streamCode !== null) return new StreamResetError(error.streamCode)
  if (!Object.hasOwn(ERROR_FAULTS, error.code)) return error
  return new MeshError(error.code as ErrorCode, error.message, { cause: error })
}
