// `meshd cp`: sends one file to another node, tries again after every break until it is there, and shows how far it is. The talk
// itself is in sender.ts. docs/cli.md, "meshd cp".

import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MeshError, reasonOf } from '../../lib/errors.ts'
import { StreamResetCode, StreamResetError } from '../../lib/streams/reset-codes.ts'
import { codeOf, EXIT, Failure, UsageError } from '../failures.ts'
import { Interruption } from '../interruption.ts'
import type { Host } from '../mode.ts'
import type { StreamDoor } from '../streams/door.ts'
import { openWithin } from '../streams/open-within.ts'
import { CopyDisplay } from './copy-display.ts'
import { FILES_PROTOCOL, Refusal } from './messages.ts'
import { checkFileName } from './names.ts'
import { openSource, type SourceFile, sendFile } from './sender.ts'

const OPEN_MS = 20_000
export const RETRY_FIRST_MS = 500
export const RETRY_MS_MAX = 10_000

/** Beside MeshError: what the local socket says while a node, here or there, is away. */
const WAY_CODES: readonly string[] = ['not-running', 'unknown-peer', 'connection-lost', 'ECONNRESET', 'EPIPE']

export interface CopyCommand {
  readonly file: string
  readonly peer: string
  /** What it is to be called there; null: as here. */
  readonly name: string | null
  readonly json: boolean
  /** How long to go on trying when nothing moves. */
  readonly retryForMs: number
}

/** What the command needs of its process. */
export interface CopyHost extends Pick<Host, 'stdout' | 'stderr' | 'signals' | 'exit' | 'nowMs'> {
  /** 0 <= x < 1. */
  readonly chance?: () => number
}

/** `PEER` or `PEER:NAME`. No file name has a colon, so the last one parts them. Throws UsageError. */
export function parseTarget(text: string): { peer: string; name: string | null } {
  const at = text.lastIndexOf(':')
  const peer = at === -1 ? text : text.slice(0, at)
  const name = at === -1 || at === text.length - 1 ? null : text.slice(at + 1)
  if (peer === '') throw new UsageError(`${JSON.stringify(text)} names no node; it must be PEER or PEER:NAME`)
  return { peer, name }
}

/**
 * Resolves with the exit code: 0 once the other node has the file whole and safe. Rejects with UsageError, Failure, Refusal, or
 * what the door failed with the first time; Failure `timed-out` when nothing moved for so long.
 */
export async function copy(command: CopyCommand, door: StreamDoor, host: CopyHost): Promise<number> {
  const name = command.name ?? basename(command.file)
  try {
    checkFileName(name)
  } catch (error) {
    throw new UsageError(`${JSON.stringify(name)}: ${reasonOf(error)}`, { cause: error })
  }
  const interruption = new Interruption(host)
  const source = await openSource(command.file, name)
  const display = new CopyDisplay(host, command, source.offer)
  try {
    return await tryOn(command, source, door, host, display, interruption.signal)
  } catch (error) {
    if (interruption.exitCode !== null) return interruption.exitCode
    throw error
  } finally {
    display.end()
    interruption.release()
    await source.handle.close()
  }
}

async function tryOn(
  command: CopyCommand,
  source: SourceFile,
  door: StreamDoor,
  host: CopyHost,
  display: CopyDisplay,
  signal: AbortSignal,
): Promise<number> {
  let hasMet = false
  /** As far as any try has come: one that only repeats another is none. */
  let furthest = 0
  let movedAtMs = host.nowMs()
  let waitMs = RETRY_FIRST_MS
  for (;;) {
    try {
      const open: Parameters<typeof openWithin>[0] = (options) => door.open(command.peer, [FILES_PROTOCOL], options)
      const stream = await openWithin(open, signal, OPEN_MS)
      hasMet = true
      const giveUp = (): void => void stream.destroy()
      signal.addEventListener('abort', giveUp, { once: true })
      try {
        signal.throwIfAborted()
        const sent = await sendFile(stream, source, {
          began: (from) => display.began(stream.peer, from),
          moved: (bytes) => {
            display.moved(bytes)
            if (bytes <= furthest) return
            furthest = bytes
            movedAtMs = host.nowMs()
            waitMs = RETRY_FIRST_MS
          },
        })
        display.done(sent)
        return EXIT.done
      } finally {
        signal.removeEventListener('abort', giveUp)
        stream.destroy()
      }
    } catch (error) {
      if (signal.aborted || isFinal(error, hasMet)) throw explained(error, command.peer)
      const leftMs = movedAtMs + command.retryForMs - host.nowMs()
      if (leftMs <= 0) {
        const text = `gave up: nothing moved for ${command.retryForMs / 1000} s; the last try: ${reasonOf(error)}`
        throw new Failure('timed-out', `${text}. The same command goes on where this one stopped`, { cause: error })
      }
      const pauseMs = Math.min(leftMs, waitMs * (0.5 + (host.chance ?? Math.random)() / 2))
      waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)
      display.waiting(reasonOf(error), pauseMs)
      await sleep(pauseMs, undefined, { signal })
    }
  }
}

/** Whether trying again is of no use. */
function isFinal(error: unknown, hasMet: boolean): boolean {
  if (error instanceof Refusal) return error.code !== 'busy'
  // Of what fails, what has no code of ours is a fault of this program, or of the other end's.
  const isOfTheWay = error instanceof MeshError ? error.code !== 'bad-frame' : WAY_CODES.includes(codeOf(error))
  return !hasMet || !isOfTheWay || takesNoFiles(error)
}

function takesNoFiles(error: unknown): boolean {
  return error instanceof StreamResetError && error.streamCode === StreamResetCode.unknownProtocol
}

function explained(error: unknown, peer: string): unknown {
  if (!takesNoFiles(error)) return error
  return new Failure('not-accepted', `${peer} takes no files; it must run with --accept-files DIR`, { cause: error })
}
