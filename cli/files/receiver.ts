// Takes files that other nodes send with `meshd cp`: the receiving end of the talk, how many at once, and who gives way. What
// becomes of the bytes on disk is in receiving-folder.ts. docs/files.md.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { MeshError, reasonOf } from '../../lib/errors.ts'
import type { DoorStream } from '../streams/door.ts'
import { ByteReader } from './byte-reader.ts'
import { refusalOf } from './errno.ts'
import { encodeLine, encodeRefusal, type Offer, parseFrom, parseHash, parseOffer, Refusal } from './messages.ts'
import { checkFileName } from './names.ts'
import type { Partial } from './partial.ts'
import type { ReceivingFolder } from './receiving-folder.ts'

export const TRANSFERS_MAX = 16
/** So that one node alone does not keep the others out. */
export const TRANSFERS_PER_PEER_MAX = 8
/**
 * Where all places are taken, who has hardly sent anything in so long gives way: a byte now and then would else hold a place for
 * ever. A sender that looks through what is here already takes some seconds; one that is broken off goes on where it was.
 */
export const SLOW_AFTER_MS = 30_000
/** What a line of 128 kbit/s carries. */
export const SLOW_BYTES_PER_S = 16_384
/** An end that says nothing for so long has gone, or keeps others out. A sender that looks through its file says so in between. */
export const SILENCE_MS = 60_000
/** How long the other end may take to read why it was refused. */
const FAREWELL_MS = 5_000

export interface FileReceived {
  readonly peer: string
  /** The name in the receiving folder. */
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

export interface FileReceiverOptions {
  /** Peer id of this node. Asked for once streams come: only a node that runs has one. */
  self(): string
  readonly folder: ReceivingFolder
  readonly fileBytesMax: number
  /** Monotonic milliseconds. */
  nowMs(): number
  received(file: FileReceived): void
  /** This machine could not keep a file. The text is for people. */
  failed(text: string): void
}

interface Transfer {
  readonly stream: DoorStream
  readonly sinceMs: number
  /** Of the file, over this stream. */
  bytes: number
  ended: Promise<void>
}

export class FileReceiver {
  readonly #options: FileReceiverOptions
  readonly #transfers = new Set<Transfer>()
  /** By transfer id: a partial file has one writer. */
  readonly #writers = new Map<string, Transfer>()
  #isClosed = false

  constructor(options: FileReceiverOptions) {
    this.#options = options
  }

  /** Takes a stream of FILES_PROTOCOL. Resolves when the talk is over; never rejects. */
  handle(stream: DoorStream): Promise<void> {
    const transfer: Transfer = { stream, sinceMs: this.#options.nowMs(), bytes: 0, ended: Promise.resolve() }
    transfer.ended = this.#talk(transfer)
    return transfer.ended
  }

  /** Breaks off what is under way; what has come is kept for another time. */
  async close(): Promise<void> {
    this.#isClosed = true
    const transfers = [...this.#transfers]
    for (const { stream } of transfers) stream.destroy(new MeshError('shutdown', 'this node is stopping'))
    await Promise.all(transfers.map(({ ended }) => ended))
  }

  async #talk(transfer: Transfer): Promise<void> {
    const { stream } = transfer
    const reader = new ByteReader(stream, SILENCE_MS)
    try {
      this.#admit(transfer)
      const offer = parseOffer(await reader.line())
      checkFileName(offer.name)
      const { fileBytesMax } = this.#options
      if (offer.size > fileBytesMax) {
        throw new Refusal(
          'too-large',
          `the other node takes files of at most ${fileBytesMax} bytes (its --accept-files-max)`,
        )
      }
      const id = transferId(stream.peer, this.#options.self(), offer)
      await this.#asWriter(transfer, id, () => this.#receive(transfer, reader, id, offer))
    } catch (error) {
      // What the stream itself failed with needs no answer: nobody would get it.
      if (!stream.destroyed) this.#refuse(stream, reader, error)
    } finally {
      this.#transfers.delete(transfer)
    }
  }

  /** Throws Refusal `busy`. */
  #admit(transfer: Transfer): void {
    if (this.#isClosed) throw new Refusal('busy', 'the other node is stopping')
    let ofPeer = 0
    for (const { stream } of this.#transfers) if (stream.peer === transfer.stream.peer) ofPeer++
    if (ofPeer >= TRANSFERS_PER_PEER_MAX || (this.#transfers.size >= TRANSFERS_MAX && !this.#makeRoom())) {
      throw new Refusal('busy', 'the other node receives as many files as it may at once; try again later')
    }
    this.#transfers.add(transfer)
  }

  #makeRoom(): boolean {
    const nowMs = this.#options.nowMs()
    let slowest: Transfer | null = null
    let least = SLOW_BYTES_PER_S / 1_000
    for (const transfer of this.#transfers) {
      const pace = transfer.bytes / (nowMs - transfer.sinceMs)
      if (nowMs - transfer.sinceMs < SLOW_AFTER_MS || pace >= least) continue
      slowest = transfer
      least = pace
    }
    if (slowest === null) return false
    this.#transfers.delete(slowest)
    slowest.stream.destroy(new MeshError('disconnected', 'others wait, and this file hardly came on'))
    return true
  }

  /** Only the sender itself can ask for the same transfer, and it does when its link has broken: the newer one goes on. */
  async #asWriter(transfer: Transfer, id: string, write: () => Promise<void>): Promise<void> {
    for (let other = this.#writers.get(id); other !== undefined; other = this.#writers.get(id)) {
      other.stream.destroy(new MeshError('disconnected', 'the same file is being sent anew'))
      await other.ended
    }
    this.#writers.set(id, transfer)
    try {
      await write()
    } finally {
      this.#writers.delete(id)
    }
  }

  async #receive(transfer: Transfer, reader: ByteReader, id: string, offer: Offer): Promise<void> {
    const { folder } = this.#options
    const { stream } = transfer
    await folder.ready()
    const whole = await folder.received(id)
    if (whole !== null) {
      const isTheSame = (await agree(stream, reader, offer.size, whole.sha256)) === offer.size
      if (isTheSame) {
        checkHash(await reader.line(), whole.sha256)
        return part(stream, reader, doneLine(whole.name))
      }
    }
    await folder.tidy(new Set(this.#writers.keys()))
    const partial = await folder.partial(id)
    let forget = false
    try {
      if (whole !== null || partial.bytes > offer.size) await partial.restart()
      const from = whole !== null ? 0 : await agree(stream, reader, partial.bytes, partial.sha256())
      if (from !== partial.bytes) await partial.restart()
      await this.#fill(transfer, reader, partial, offer.size)
      const sha256 = partial.sha256()
      const line = await reader.line()
      forget = true
      checkHash(line, sha256)
      forget = false
      const name = await folder.place(id, partial, offer.name)
      part(stream, reader, doneLine(name))
      this.#options.received({ peer: stream.peer, name, path: join(folder.path, name), bytes: offer.size, sha256 })
    } finally {
      await partial.close(forget)
    }
  }

  async #fill(transfer: Transfer, reader: ByteReader, partial: Partial, size: number): Promise<void> {
    const missing = size - partial.bytes
    if (missing > (await this.#options.folder.freeBytes())) {
      throw new Refusal('disk-full', `the other node has no room for ${missing} bytes`)
    }
    while (partial.bytes < size) {
      const bytes = await reader.bytes(size - partial.bytes)
      if (bytes === null) throw new MeshError('connection-lost', 'the sender ended in the middle of the file')
      transfer.bytes += bytes.length
      await partial.append(bytes)
    }
  }

  #refuse(stream: DoorStream, reader: ByteReader, error: unknown): void {
    // What an end did that speaks the protocol wrongly, or broke off, is no failure of this machine.
    if (error instanceof MeshError) return void stream.destroy(error)
    const refusal = refusalOf(error)
    if (refusal.cause !== undefined || refusal.code === 'disk-full') {
      const why = refusal.cause === undefined ? 'there is no room for it' : reasonOf(refusal.cause)
      this.#options.failed(`a file could not be kept in ${this.#options.folder.path}: ${why}`)
    }
    part(stream, reader, encodeRefusal(refusal))
  }
}

/**
 * Names a transfer for all its tries: the same sender, receiver, name, size and date. 64 hex digits. Nodes that share a folder have
 * different ones for the same file, so that none writes into what another is receiving.
 */
export function transferId(sender: string, receiver: string, { name, size, mtimeMs }: Offer): string {
  return createHash('sha256')
    .update(JSON.stringify([sender, receiver, name, size, mtimeMs]))
    .digest('hex')
}

/** Says what is here, and resolves with the place where the sender will begin: behind it, or 0. */
async function agree(stream: DoorStream, reader: ByteReader, have: number, sha256: string): Promise<number> {
  stream.write(encodeLine({ have, sha256 }))
  for (;;) {
    const from = parseFrom(await reader.line(), have)
    if (from !== null) return from
  }
}

function doneLine(name: string): Uint8Array {
  return encodeLine({ done: { name } })
}

/** Throws Refusal `wrong-hash`. */
function checkHash(line: Uint8Array, sha256: string): void {
  if (parseHash(line) !== sha256) throw new Refusal('wrong-hash', 'what arrived is not what was sent; send it again')
}

/** The last line. What still comes is not looked at; an end that does not leave is left. */
function part(stream: DoorStream, reader: ByteReader, line: Uint8Array): void {
  stream.end(line)
  void reader.drain()
  const timer = setTimeout(() => stream.destroy(), FAREWELL_MS).unref()
  stream.once('close', () => clearTimeout(timer))
}
