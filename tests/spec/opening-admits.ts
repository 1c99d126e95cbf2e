// Asks the real opening what it makes of a handshake payload: a dialer talks over a socket of memory with a listener that is
// played here, holds the static key given, and answers with that payload.

import { EMPTY, utf8 } from '../../lib/bytes.ts'
import type { Primitives } from '../../lib/crypto/primitives.ts'
import { RecordReader } from '../../lib/framing/records.ts'
import { Identities } from '../../lib/identity/identities.ts'
import { type KeyPair, keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import { networkOf } from '../../lib/identity/network.ts'
import type { Clock, Random, Socket, SocketEvents } from '../../lib/io/world.ts'
import { Farewells } from '../../lib/link/farewells.ts'
import { Opening } from '../../lib/link/opening.ts'
import { HandshakeState } from '../../lib/noise/handshake-state.ts'

const PREAMBLE = utf8('mesh/1\n')

/** A socket whose writes are collected and whose reads are given by hand. */
class MemorySocket implements Socket {
  readonly remote: { host: string; port: number } = { host: '192.0.2.1', port: 1 }
  readonly local: { host: string; port: number } = { host: '192.0.2.2', port: 2 }
  readonly unsentBytes = 0
  readonly written: Uint8Array[] = []
  events: SocketEvents | null = null

  attach(events: SocketEvents): void {
    this.events = events
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes)
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  detach(): unknown {
    return null
  }
}

const STOPPED_CLOCK: Clock = {
  nowMs: () => 0,
  unixMs: () => 0,
  timer: () => ({ cancel: () => {} }),
  endOfTurn: () => {},
}

/** Not random at all: the keys of this handshake protect nothing. */
const ZEROS: Random = { bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 }

/** Whether a dialer takes message 2 with this payload for a proven identity. */
export function openingAdmits(payload: Uint8Array, listener: KeyPair, primitives: Primitives): boolean {
  const identities = new Identities()
  const network = networkOf('vectors', null, primitives)
  const keyPair = keyPairFromSeed(new Uint8Array(32).fill(9), identities, primitives)
  const socket = new MemorySocket()
  let admitted = false
  const node = { primitives, identities, keyPair, network, features: [] }
  new Opening(
    {
      ...node,
      clock: STOPPED_CLOCK,
      farewells: new Farewells(STOPPED_CLOCK),
      random: ZEROS,
      about: () => EMPTY,
      checkRecord: () => {},
    },
    socket,
    { initiator: true, expected: null, keep: false },
    1,
    {
      admit: () => {
        admitted = true
        return { ok: true }
      },
      refusalPeers: () => null,
      peersTold: () => {},
      opened: () => {},
      failed: () => {},
    },
  )
  const reader = new RecordReader(2_048)
  reader.push(Buffer.concat(socket.written).subarray(PREAMBLE.length))
  const state = new HandshakeState({
    pattern: 'XXpsk0',
    initiator: false,
    prologue: PREAMBLE,
    primitives,
    random: (length) => new Uint8Array(length).fill(8),
    s: { privateKey: listener.x25519PrivateKey, publicKey: listener.identity.x25519Key },
    psks: [network.psk],
  })
  state.readMessage(reader.next()!)
  const answer = state.writeMessage(payload)
  socket.events!.data(Uint8Array.of(answer.length >> 8, answer.length & 0xff, ...answer))
  return admitted
}
