// One stream of the mesh between the node and a command of this program, over a connection of the local socket that was
// switched to it. Frames keep apart what a bare connection cannot: an end from a reset, and either from a process that died.
// docs/api.md, "Streams".

import { Duplex } from 'node:stream'
import { ERROR_FAULTS, type ErrorCode, MeshError, reasonOf } from '../../lib/errors.ts'
import { StreamResetCode, StreamResetError } from '../../lib/streams/reset-codes.ts'

/** Value of the `Upgrade` header on both sides. */
export const TUNNEL_PROTOCOL = 'meshd-stream'

/** Type (1), length of the body (4, big-endian), body. */
export const TUNNEL_HEAD_BYTES = 5
export const TunnelFrame = { data: 0, end: 1, reset: 2, passedOn: 3 } as const
/**
 * Which process this is. The node says by a `passedOn` frame that what the command wrote, its end included, has left for the other
 * node; a command's `finish` waits for that, since it may be the last thing that anybody does before the node is stopped.
 */
export type TunnelRole = 'command' | 'node'

/** What one frame of data may hold: several reads of a pipe. */
export const TUNNEL_DATA_BYTES_MAX = 1_048_576
/** A reset says why in one small JSON object. */
export const TUNNEL_RESET_BYTES_MAX = 4_096

const READABLE_BYTES = 262_144
const WRITABLE_BYTES = 1_048_576
/** What could not be written to a reader that hangs must not keep the connection for ever. */
const FAREWELL_MS = 1_000

export interface TunnelFacts {
  /** Peer id of the other node. */
  readonly peer: string
  /** The name that both nodes agreed on. */
  readonly protocol: string
}

/**
 * Both directions are open until each has ended. `destroy` tells the other process why by a reset frame. A reset that came, or
 * a connection that is over before both ends are, destroys this with MeshError: what the other process said, or
 * `connection-lost`. Without a listener for `error` that is nobody's uncaught exception.
 */
export class Tunnel extends Duplex {
  readonly peer: string
  readonly protocol: string
  readonly #socket: Duplex
  readonly #head = new Uint8Array(TUNNEL_HEAD_BYTES)
  #headFill = 0
  /** Type of the frame that is being read, and what is missing of its body. */
  #type = 0
  #missingBytes = 0
  #resetParts: Uint8Array[] = []
  readonly #role: TunnelRole
  #endCame = false
  #endWent = false
  #resetCame = false
  /** The command need not be told anything more; for a command, that is so from the beginning. */
  #isAllPassedOn: boolean
  #onDrain: (() => void) | null = null
  #onPassedOn: (() => void) | null = null

  /**
   * Takes the connection over; `first` is what has come on it already, behind the head of the switch. That of a node must be
   * destroyed when both directions have ended and `passedOn` was called: joinStreams does.
   */
  constructor(socket: Duplex, first: Uint8Array, { peer, protocol }: TunnelFacts, role: TunnelRole = 'command') {
    super({
      readableHighWaterMark: READABLE_BYTES,
      writableHighWaterMark: WRITABLE_BYTES,
      autoDestroy: role === 'command',
    })
    this.#role = role
    this.#isAllPassedOn = role === 'command'
    this.peer = peer
    this.protocol = protocol
    this.#socket = socket
    this.on('error', () => {})
    socket.on('data', (chunk: Uint8Array) => this.#received(chunk))
    socket.on('drain', () => this.#goOn())
    socket.on('error', (error) => this.#lost(`the local connection failed: ${reasonOf(error)}`))
    socket.on('end', () => this.#lost(LOST[role]))
    socket.on('close', () => this.#lost(LOST[role]))
    if (first.length > 0) this.#received(first)
  }

  /** Of a node: everything that came here, up to its end, has left for the other node. */
  passedOn(): void {
    if (this.#role !== 'node' || this.destroyed) return
    this.#isAllPassedOn = true
    this.#socket.write(head(TunnelFrame.passedOn, 0))
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([chunk], chunk.length, done)
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    let bytes = 0
    for (const { chunk } of chunks) bytes += chunk.length
    this.#send(
      chunks.map(({ chunk }) => chunk),
      bytes,
      done,
    )
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.write(head(TunnelFrame.end, 0))
    this.#onPassedOn = () => {
      this.#endWent = true
      done()
    }
    if (this.#role === 'node') this.#isPassedOn()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#goOn()
    const socket = this.#socket
    if (socket.destroyed) return done(error)
    const isWhole = this.#endCame && this.#endWent && this.#isAllPassedOn
    const isToldAlready = isWhole || this.#resetCame
    if (isToldAlready) socket.end()
    else {
      const body = Buffer.from(JSON.stringify(resetOf(error)))
      socket.end(Buffer.concat([head(TunnelFrame.reset, body.length), body]))
    }
    // What comes now is not looked at, but must not keep the end from being seen.
    socket.resume()
    // A slow reader gets all of what is whole; a reset does not wait long behind what nobody wants any more.
    const timer = isWhole ? undefined : setTimeout(() => socket.destroy(), FAREWELL_MS)
    let isTold = false
    const told = (): void => {
      if (!isTold) done(error)
      isTold = true
    }
    socket.once('finish', told)
    socket.once('close', () => {
      clearTimeout(timer)
      told()
    })
  }

  #send(chunks: readonly Uint8Array[], bytes: number, done: () => void): void {
    const socket = this.#socket
    let hasRoom = true
    socket.cork()
    if (bytes <= TUNNEL_DATA_BYTES_MAX) {
      socket.write(head(TunnelFrame.data, bytes))
      for (const chunk of chunks) hasRoom = socket.write(chunk)
    } else {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += TUNNEL_DATA_BYTES_MAX) {
          const piece = chunk.subarray(at, at + TUNNEL_DATA_BYTES_MAX)
          socket.write(head(TunnelFrame.data, piece.length))
          hasRoom = socket.write(piece)
        }
      }
    }
    socket.uncork()
    if (hasRoom || !socket.writableNeedDrain) done()
    else this.#onDrain = done
  }

  #goOn(): void {
    const done = this.#onDrain
    this.#onDrain = null
    done?.()
  }

  #isPassedOn(): void {
    const done = this.#onPassedOn
    this.#onPassedOn = null
    done?.()
  }

  #received(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length && !this.destroyed) {
      if (this.#missingBytes > 0) {
        const piece = chunk.subarray(at, at + this.#missingBytes)
        at += piece.length
        this.#missingBytes -= piece.length
        this.#body(piece)
        continue
      }
      this.#head[this.#headFill++] = chunk[at++]!
      if (this.#headFill === TUNNEL_HEAD_BYTES) {
        this.#headFill = 0
        this.#begin(this.#head[0]!, new DataView(this.#head.buffer).getUint32(1))
      }
    }
  }

  #begin(type: number, bytes: number): void {
    const isData = type === TunnelFrame.data && bytes <= TUNNEL_DATA_BYTES_MAX && !this.#endCame
    const isEnd = type === TunnelFrame.end && bytes === 0 && !this.#endCame
    const isPassedOn = type === TunnelFrame.passedOn && bytes === 0 && this.#onPassedOn !== null
    const isReset = type === TunnelFrame.reset && bytes > 0 && bytes <= TUNNEL_RESET_BYTES_MAX
    if (!isData && !isEnd && !isPassedOn && !isReset) {
      this.destroy(new MeshError('bad-frame', `a frame of type ${type} and ${bytes} bytes on the local socket`))
      return
    }
    this.#type = type
    this.#missingBytes = bytes
    if (isPassedOn) this.#isPassedOn()
    if (!isEnd) return
    this.#endCame = true
    this.push(null)
  }

  #body(piece: Uint8Array): void {
    if (this.#type === TunnelFrame.data) {
      if (!this.push(piece)) this.#socket.pause()
      return
    }
    this.#resetParts.push(piece)
    if (this.#missingBytes > 0) return
    this.#resetCame = true
    this.destroy(errorOf(Buffer.concat(this.#resetParts).toString()))
  }

  #lost(why: string): void {
    if (this.destroyed || (this.#endCame && this.#endWent && this.#isAllPassedOn)) return
    this.destroy(new MeshError('connection-lost', why))
  }
}

/** What the end of the connection means to either of the two. */
const LOST: Readonly<Record<TunnelRole, string>> = {
  command: 'the node here went away before the stream had ended',
  node: 'the command at this node went away before the stream had ended',
}

function head(type: number, bytes: number): Uint8Array {
  const made = Buffer.allocUnsafe(TUNNEL_HEAD_BYTES)
  made[0] = type
  made.writeUInt32BE(bytes, 1)
  return made
}

/** What a reset frame says of what this end was destroyed with. */
function resetOf(error: Error | null): object {
  if (error === null) return { code: 'stream-reset', streamCode: StreamResetCode.cancelled }
  const message = error.message.slice(0, 500)
  if (error instanceof StreamResetError) return { code: error.code, message, streamCode: error.streamCode }
  const { code, name } = error as { code?: unknown; name: string }
  const isCancel = name === 'AbortError' || code === 'ERR_STREAM_PREMATURE_CLOSE'
  if (isCancel) return { code: 'stream-reset', streamCode: StreamResetCode.cancelled }
  return { code: typeof code === 'string' ? code : 'failed', message }
}

/** What the other process destroyed its end with. */
function errorOf(text: string): MeshError {
  let reset: { code?: unknown; message?: unknown; streamCode?: unknown } | null = null
  try {
    reset = JSON.parse(text)
  } catch {
    // Not JSON: as one that says nothing.
  }
  const { code, message, streamCode } = reset ?? {}
  if (typeof streamCode === 'number') return new StreamResetError(streamCode)
  const isKnown = typeof code === 'string' && Object.hasOwn(ERROR_FAULTS, code) && code !== 'stream-reset'
  if (isKnown) return new MeshError(code as ErrorCode, typeof message === 'string' ? message : 'it gave no reason')
  return new StreamResetError(StreamResetCode.failed)
}
