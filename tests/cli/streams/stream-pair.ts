// Two ends of a stream without a mesh, for tests: bytes in order, back-pressure, half-close, and resets that arrive with their
// code, as MeshStream has them. `cut` is what the end of a link does.

import { Duplex } from 'node:stream'
import type { DoorStream } from '../../../cli/streams/door.ts'
import { MeshError } from '../../../lib/errors.ts'
import { resetCodeOf, StreamResetError } from '../../../lib/streams/reset-codes.ts'

export class StreamEnd extends Duplex implements DoorStream {
  readonly peer: string
  readonly protocol: string
  other: StreamEnd | null = null
  #taken: (() => void) | null = null

  constructor(peer: string, protocol: string) {
    super({ readableHighWaterMark: 65_536, writableHighWaterMark: 65_536 })
    this.peer = peer
    this.protocol = protocol
    this.on('error', () => {})
  }

  override _read(): void {
    const taken = this.#taken
    this.#taken = null
    taken?.()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    const { other } = this
    setImmediate(() => {
      if (other === null || other.destroyed) return
      if (other.push(new Uint8Array(chunk))) done()
      else other.#taken = done
    })
  }

  override _final(done: () => void): void {
    setImmediate(() => {
      this.other?.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { other } = this
    const isWhole = this.readableEnded && this.writableFinished
    if (!isWhole) setImmediate(() => other?.destroy(new StreamResetError(resetCodeOf(error))))
    this.#taken = null
    done(error)
  }

  /** The link is over: both ends learn it. */
  cut(): void {
    const error = new MeshError('connection-lost', 'the connection was lost')
    this.other?.destroy(error)
    this.destroy(error)
  }
}

/** `a` sees `b`'s peer id and the other way round. */
export function streamPair(
  peerOfA: string,
  peerOfB: string,
  protocol: string = '/test/1',
): readonly [StreamEnd, StreamEnd] {
  const a = new StreamEnd(peerOfB, protocol)
  const b = new StreamEnd(peerOfA, protocol)
  a.other = b
  b.other = a
  return [a, b]
}

/** Everything until the end, or the rejection with what the stream fails with. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk)
  return Buffer.concat(chunks)
}
