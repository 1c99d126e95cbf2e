// `meshd pipe`: standard input into a stream of the mesh, and what comes out of it to standard output, as netcat does over TCP.
// Bytes only: it knows no lines and no end but those of the streams. docs/cli.md, "meshd pipe".

import { reasonOf } from '../lib/errors.ts'
import { codeOf, EXIT, Failure } from './failures.ts'
import { Interruption } from './interruption.ts'
import type { Host } from './mode.ts'
import { watchReader } from './reader.ts'
import type { DoorStream, StreamDoor } from './streams/door.ts'
import { openWithin } from './streams/open-within.ts'

export interface PipeCommand {
  /** Null: waits for a stream that another node opens. */
  readonly peer: string | null
  readonly protocol: string
  /** How long opening may take; null: as long as it takes. */
  readonly openMs: number | null
}

type PipeHost = Pick<Host, 'stdin' | 'stdout' | 'signals' | 'exit'>

/**
 * Resolves with the exit code when both directions have ended, or when a signal or the reader of standard output ended it.
 * Rejects with what the door or the stream failed with.
 */
export async function pipe({ peer, protocol, openMs }: PipeCommand, door: StreamDoor, host: PipeHost): Promise<number> {
  const interruption = new Interruption(host)
  const { signal } = interruption
  const readerLeft = new AbortController()
  const noReader = (error: Error): void => {
    if (codeOf(error) === 'EPIPE') readerLeft.abort()
  }
  host.stdout.on('error', noReader)
  const unwatch = watchReader(host.stdout)
  try {
    const stream = await openWithin(
      (options) => (peer === null ? door.accept(protocol, options) : door.open(peer, [protocol], options)),
      AbortSignal.any([signal, readerLeft.signal]),
      openMs,
    )
    host.stdout.off('error', noReader)
    const giveUp = (): void => void stream.destroy()
    signal.addEventListener('abort', giveUp)
    if (signal.aborted || readerLeft.signal.aborted) giveUp()
    if (readerLeft.signal.aborted) return interruption.exitCode ?? EXIT.failed
    return interruption.exitCode ?? (await carry(stream, host, interruption))
  } catch (error) {
    if (interruption.exitCode !== null) return interruption.exitCode
    if (readerLeft.signal.aborted) return EXIT.failed
    throw error
  } finally {
    unwatch()
    host.stdout.off('error', noReader)
    // Nothing waits for a reader of standard output that does not read.
    if (interruption.exitCode !== null) host.exit(interruption.exitCode)
    interruption.release()
  }
}

async function carry(stream: DoorStream, { stdin, stdout }: PipeHost, interruption: Interruption): Promise<number> {
  let readerLeft = false
  let failure: Error | null = null
  const fail = (error: Error): void => {
    failure ??= error
    stream.destroy(error)
  }
  const noOutput = (error: Error): void => {
    // Who has got everything may leave while the other direction goes on.
    if (codeOf(error) === 'EPIPE' && stream.readableEnded && stdout.writableLength === 0) return
    readerLeft = codeOf(error) === 'EPIPE'
    if (readerLeft) stream.destroy()
    else fail(new Failure('output-failed', `standard output failed: ${reasonOf(error)}`, { cause: error }))
  }
  const noInput = (error: Error): void => {
    fail(new Failure('input-failed', `standard input failed: ${reasonOf(error)}`, { cause: error }))
  }
  const endInput = (): void => {
    stdin.unpipe(stream)
    stream.end()
  }
  stdout.on('error', noOutput)
  stdin.on('error', noInput)
  try {
    await new Promise<void>((resolve) => {
      stream.on('error', (error) => {
        failure ??= error
      })
      stream.on('close', resolve)
      stdin.pipe(stream)
      // Nobody at a keyboard should have to end what the other end has ended: `meshd pipe --listen /backup > disk.img`.
      if (stdin.isTTY === true) stream.once('end', endInput)
      // Standard output is open until the process ends: it may be shared.
      stream.pipe(stdout, { end: false })
    })
  } finally {
    stream.off('end', endInput)
    stdin.off('error', noInput)
    stdout.off('error', noOutput)
    stdin.unpipe(stream)
  }
  if (interruption.exitCode !== null) return interruption.exitCode
  if (readerLeft) return EXIT.failed
  if (failure !== null) throw failure
  return EXIT.done
}
