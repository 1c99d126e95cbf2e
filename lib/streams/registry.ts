// Which protocols this node speaks over streams, by name: one table for all links. docs/protocol.md, "Opening a stream".

import { MeshError } from '../errors.ts'
import { PROTOCOL_NAME_BYTES_MAX, PROTOCOL_NAMES_MAX } from '../limits.ts'
import type { MeshStream } from './duplex.ts'

/** Gets each stream that was opened under its name. What it throws, or rejects with, resets the stream. */
export type StreamHandler = (stream: MeshStream) => unknown

/** What an opener and this node have in common. */
export interface ProtocolChoice {
  /** Place of the name in the opener's list. */
  readonly index: number
  readonly name: string
  readonly handler: StreamHandler
}

export class StreamRegistry {
  readonly #handlers = new Map<string, StreamHandler>()

  /** Throws MeshError `bad-argument` for a name that is not 1 to 64 bytes of text, `already-registered` for one that is taken. */
  handle(name: string, handler: StreamHandler): void {
    checkProtocolName(name)
    if (typeof handler !== 'function') throw new MeshError('bad-argument', 'a handler of streams must be a function')
    if (this.#handlers.has(name)) {
      throw new MeshError('already-registered', `there is a handler for the protocol ${name} already`)
    }
    this.#handlers.set(name, handler)
  }

  /** Takes the handler back, if there is one; streams that it has got go on. */
  unhandle(name: string): void {
    this.#handlers.delete(name)
  }

  /** The first of the names that there is a handler for, or null. */
  choose(names: readonly string[]): ProtocolChoice | null {
    for (const [index, name] of names.entries()) {
      const handler = this.#handlers.get(name)
      if (handler !== undefined) return { index, name, handler }
    }
    return null
  }
}

/** Throws MeshError `bad-argument` unless there are 1 to 16 names that can be offered. */
export function checkProtocolNames(names: readonly string[]): void {
  if (!Array.isArray(names) || names.length < 1 || names.length > PROTOCOL_NAMES_MAX) {
    throw new MeshError('bad-argument', `a stream is opened with 1 to ${PROTOCOL_NAMES_MAX} protocol names`)
  }
  for (const name of names) checkProtocolName(name)
}

function checkProtocolName(name: string): void {
  const isText = typeof name === 'string' && name.isWellFormed() && name !== ''
  if (!isText || Buffer.byteLength(name) > PROTOCOL_NAME_BYTES_MAX) {
    throw new MeshError('bad-argument', `a protocol name must be text of 1 to ${PROTOCOL_NAME_BYTES_MAX} bytes`)
  }
}
