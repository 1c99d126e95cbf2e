// The opponent: node:net alone, as somebody who knows it would write the same flood. Frames of `u32 length || payload` go to
// every connection but the one they came from; all frames of a turn leave in one write of up to 64 KiB; a publisher waits
// while a connection has more than 256 KiB unsent, and a relay stops reading then. No encryption, no identities, no
// signatures, no topics, and nothing against loops: what it carries less is what meshd is to be measured by.

import { createServer, connect as dialTcp, type Socket } from 'node:net'
import type { BenchPeer } from './peer.ts'

const WRITE_BYTES_MAX = 65_536
const UNSENT_BYTES_MAX = 262_144
const HEAD_BYTES = 4

/** One connection: gathers what a turn sends, and cuts what comes into frames. */
class RawLink {
  readonly socket: Socket
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #scheduled = false
  #rest: Buffer | null = null

  constructor(socket: Socket, received: (frame: Uint8Array) => void) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#cut(chunk, received))
    // Its end comes as 'close' in any case.
    socket.on('error', () => undefined)
  }

  send(frame: Uint8Array): void {
    this.#gathered.push(frame)
    this.#gatheredBytes += frame.length
    if (this.#gatheredBytes >= WRITE_BYTES_MAX) this.#flush()
    else if (!this.#scheduled) {
      this.#scheduled = true
      process.nextTick(() => this.#flush())
    }
  }

  get unsentBytes(): number {
    return this.socket.writableLength + this.#gatheredBytes
  }

  #flush(): void {
    this.#scheduled = false
    const frames = this.#gathered
    if (frames.length === 0) return
    this.#gathered = []
    const bytes = this.#gatheredBytes
    this.#gatheredBytes = 0
    this.socket.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames, bytes))
  }

  #cut(chunk: Buffer, received: (frame: Uint8Array) => void): void {
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUInt32LE(at)
      if (end > bytes.length) break
      received(bytes.subarray(at, end))
      at = end
    }
    this.#rest = at === bytes.length ? null : bytes.subarray(at)
  }
}

export async function rawPeer(listens: boolean): Promise<BenchPeer> {
  const links = new Set<RawLink>()
  let handler: (payload: Uint8Array) => void = () => undefined
  let dialled: RawLink | null = null

  function add(socket: Socket, greeted: () => void): RawLink {
    const link = new RawLink(socket, (frame) => {
      if (frame.length === HEAD_BYTES) return greeted()
      for (const other of links) if (other !== link) other.send(frame)
      if (links.size > 1) holdBack(socket)
      handler(frame.subarray(HEAD_BYTES))
    })
    links.add(link)
    socket.on('close', () => links.delete(link))
    return link
  }

  /** Stops reading from `socket` until the others have taken what came from it. */
  function holdBack(socket: Socket): void {
    if (socket.isPaused()) return
    const full = [...links].find((link) => link.socket !== socket && link.unsentBytes > UNSENT_BYTES_MAX)
    if (full === undefined) return
    socket.pause()
    full.socket.once('drain', () => socket.resume())
  }

  const server = createServer((socket) => {
    // An empty frame says that this end is there, as the last step of a handshake would.
    add(socket, () => undefined).send(new Uint8Array(HEAD_BYTES))
  })
  if (listens) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()

  return {
    address: bound !== null && typeof bound === 'object' ? `${bound.port}` : '',
    dial: (address) =>
      new Promise((resolve, reject) => {
        const socket = dialTcp(Number(address), '127.0.0.1')
        socket.once('error', reject)
        dialled = add(socket, resolve)
      }),
    hangUp: () =>
      new Promise((resolve) => {
        dialled!.socket.once('close', () => resolve())
        dialled!.socket.end()
      }),
    receive: (given) => {
      handler = given
    },
    publish: (payload) => {
      const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.length)
      frame.writeUInt32LE(payload.length, 0)
      frame.set(payload, HEAD_BYTES)
      let full: RawLink | undefined
      for (const link of links) {
        link.send(frame)
        if (link.unsentBytes > UNSENT_BYTES_MAX) full = link
      }
      return full === undefined ? undefined : new Promise<void>((resolve) => full.socket.once('drain', resolve))
    },
    close: async () => {
      for (const { socket } of links) socket.destroy()
      await new Promise<void>((resolve) => (listens ? server.close(() => resolve()) : resolve()))
    },
  }
}
