// A lock on a data folder: a file that names the process which holds it and is void once that process is dead. Not a lock
// between machines or between containers that share a volume: each must be able to see the other's processes.

import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { MeshError } from '../errors.ts'
import { errnoOf, errnoWords } from './errno.ts'

/** Between looks at a lock file that has no content yet, and until a takeover is confirmed. */
const SETTLE_MS = 50
/** A holder writes the content right after it has made the file: one that stays empty for this many looks died in between. */
const EMPTY_LOOKS_MAX = 4
/** Each attempt ends with the lock, a living holder, or somebody else's change: more than a few mean that something is wrong. */
const ATTEMPTS_MAX = 100

/**
 * Takes the lock at `path`, in a folder that exists. Rejects with MeshError `data-folder` naming the holder's pid while that
 * process lives; the lock of a dead one is taken over. `release` removes the file if it is still this lock's.
 */
export async function lockFile(path: string): Promise<{ release(): Promise<void> }> {
  const mine = `${JSON.stringify({ ...thisProcess(), token: randomBytes(8).toString('hex') })}\n`
  let emptyLooks = 0
  let tookOver = false
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (create(path, mine)) {
      if (!tookOver) return lockOf(path, mine)
      // Another process that saw the same dead holder may just be moving our file away; it would notice and put it back,
      // unless a third one was quicker. So look again before relying on it.
      await wait(SETTLE_MS)
      if (contentOf(path) === mine) return lockOf(path, mine)
      continue
    }
    const found = contentOf(path)
    if (found === null) continue
    const holder = holderOf(found)
    if (holder === null && emptyLooks++ < EMPTY_LOOKS_MAX) {
      await wait(SETTLE_MS)
      continue
    }
    if (holder !== null && isAlive(holder)) throw held(path, holder)
    moveAway(path, found)
    tookOver = true
  }
  throw new MeshError('data-folder', `cannot lock ${path}: it keeps changing hands; are many nodes being started here?`)
}

function lockOf(path: string, mine: string): { release(): Promise<void> } {
  return {
    async release(): Promise<void> {
      if (contentOf(path) === mine) rmSync(path, { force: true })
    },
  }
}

/** False when there is such a file already. Made and filled without giving way to anything else in this process. */
function create(path: string, content: string): boolean {
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    // The file may have been made and its content not fitted on the disk. The content tells whether it is ours.
    if (errnoOf(error) === 'ENOSPC' && contentOf(path) === '') rmSync(path, { force: true })
    throw new MeshError('data-folder', `cannot lock ${path}: ${errnoWords(error)}`, { cause: error })
  }
}

/** Null when there is no such file. */
function contentOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw new MeshError('data-folder', `cannot read the lock ${path}: ${errnoWords(error)}`, { cause: error })
  }
}

/**
 * Removes the lock file whose content was judged void. Between that judgement and the rename somebody else may have taken
 * over, so what was moved is looked at, and put back if it is not what was judged.
 */
function moveAway(path: string, judged: string): void {
  const aside = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw new MeshError('data-folder', `cannot take over the lock ${path}: ${errnoWords(error)}`, { cause: error })
  }
  try {
    if (contentOf(aside) !== judged) linkSync(aside, path)
  } catch (error) {
    // A third process has the lock by now; the one whose file this is finds out when it confirms its takeover.
    if (errnoOf(error) !== 'EEXIST') {
      throw new MeshError('data-folder', `cannot put back the lock ${path}: ${errnoWords(error)}`, { cause: error })
    }
  } finally {
    rmSync(aside, { force: true })
  }
}

interface Holder {
  readonly pid: number
  /** When it started, in the kernel's ticks since boot; null where the system does not tell. */
  readonly start: string | null
  /** Which boot `start` counts from; null where the system does not tell. */
  readonly boot: string | null
}

function thisProcess(): Holder {
  return { pid: process.pid, start: startOf(process.pid), boot: bootId() }
}

/** Null for anything but the content of a lock file. */
function holderOf(content: string): Holder | null {
  let parsed: unknown
  try {
    parsed = JSON.parse(content)
  } catch {
    return null
  }
  if (typeof parsed !== 'object' || parsed === null) return null
  const { pid, start, boot } = parsed as Record<string, unknown>
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return null
  return { pid, start: typeof start === 'string' ? start : null, boot: typeof boot === 'string' ? boot : null }
}

function isAlive(holder: Holder): boolean {
  const boot = bootId()
  if (holder.boot !== null && boot !== null && holder.boot !== boot) return false
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if (errnoOf(error) !== 'EPERM') return false
  }
  // Process ids are used again: after a restart the same number is often another program.
  const start = startOf(holder.pid)
  return holder.start === null || start === null || holder.start === start
}

/** Field 22 of /proc/PID/stat (proc(5)); 'dead' for a zombie, null where it cannot be read. */
function startOf(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`)
  if (stat === null) return null
  // Field 2 is the program's name in brackets and may hold anything, brackets and spaces included.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : (fields[19] ?? null)
}

function bootId(): string | null {
  return readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? null
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // No such system file here: the caller has a coarser answer.
    return null
  }
}

function held(path: string, holder: Holder): MeshError {
  const who = holder.pid === process.pid ? 'this process already uses it' : `the process with pid ${holder.pid} uses it`
  // Without a start time another program may have come by the number of a node that died.
  const doubt = holder.start === null ? `, or remove ${path} if that process is no mesh node` : ''
  return new MeshError('data-folder', `cannot lock ${path}: ${who}; stop it, or choose another data folder${doubt}`)
}
