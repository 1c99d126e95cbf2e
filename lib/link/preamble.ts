// The first bytes on a connection: they tell the mesh protocol from others that share the port. Looks before anything is
// allocated. docs/protocol.md, "Preamble".

import { equalBytes, utf8 } from '../bytes.ts'
import { MeshError } from '../errors.ts'

/** Sent once by the dialer; names the protocol and its version. Also Noise's prologue. */
export const PREAMBLE: Uint8Array = utf8('mesh/1\n')

export const SNIFF_PREFIX_BYTES_MAX = 64
export const SNIFF_HANDLERS_MAX = 64

/** Takes over a connection whose first bytes it had registered; `socket` is a `net.Socket` with those bytes put back. */
export type SniffHandler = (socket: unknown) => void

/** `more`: the bytes are a true beginning of something known. */
export type Sniffed = 'mesh' | 'more' | 'unknown' | SniffHandler

export class Sniffer {
  readonly #handlers = new Set<{ readonly prefix: Uint8Array; readonly handler: SniffHandler }>()

  /**
   * Gives connections that begin with `prefix` (1 to 64 bytes) to `handler`. Returns a function that takes it back.
   * Throws MeshError `bad-argument`, or `already-registered` when one prefix begins with the other, or with the preamble.
   */
  register(prefix: Uint8Array, handler: SniffHandler): () => void {
    if (prefix.length < 1 || prefix.length > SNIFF_PREFIX_BYTES_MAX) {
      throw new MeshError('bad-argument', `a sniffed prefix has 1 to ${SNIFF_PREFIX_BYTES_MAX} bytes`)
    }
    if (this.#handlers.size >= SNIFF_HANDLERS_MAX) {
      throw new MeshError('too-large', `at most ${SNIFF_HANDLERS_MAX} sniffed prefixes`)
    }
    const taken = [PREAMBLE, ...Array.from(this.#handlers, (entry) => entry.prefix)]
    if (taken.some((other) => agree(other, prefix))) {
      throw new MeshError('already-registered', 'that prefix, or one that cannot be told from it, has a handler')
    }
    const entry = { prefix: new Uint8Array(prefix), handler }
    this.#handlers.add(entry)
    return () => this.#handlers.delete(entry)
  }

  /** Whose the connection is, by all bytes that came so far. */
  look(bytes: Uint8Array): Sniffed {
    if (agree(bytes, PREAMBLE)) return bytes.length >= PREAMBLE.length ? 'mesh' : 'more'
    for (const { prefix, handler } of this.#handlers) {
      if (agree(bytes, prefix)) return bytes.length >= prefix.length ? handler : 'more'
    }
    return 'unknown'
  }
}

/** Whether they are the same as far as the shorter goes. */
function agree(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.min(a.length, b.length)
  return equalBytes(a.subarray(0, length), b.subarray(0, length))
}
