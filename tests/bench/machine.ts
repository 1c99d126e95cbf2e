// What the machine is and what else it is doing: for the lines above and below a table.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, release, type as systemName, totalmem } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's folder, from wherever this file was built to. */
export const ROOT: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'biome.json'))) folder = dirname(folder)
  return folder
})()
/** What `npm run bench:peers` installs, and the adapters for it. */
export const PEERS_FOLDER: string = join(ROOT, 'tests/bench/peers')

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly node: string
  readonly openssl: string
  /** `+` at its end: with changes. Empty outside a repository. */
  readonly commit: string
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${systemName()} ${release()}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    commit: commit(),
  }
}

export function describe(machine: Machine): string {
  const memory = `${Math.round(machine.memoryBytes / 2 ** 30)} GiB`
  const versions = `Node ${machine.node}, OpenSSL ${machine.openssl}`
  const at = machine.commit === '' ? '' : `, commit ${machine.commit}`
  return `${machine.cores} × ${machine.cpu}, ${memory}, ${machine.system}, ${versions}${at}`
}

function commit(): string {
  const git = (...given: string[]): string =>
    execFileSync('git', given, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '-uno', 'lib') === '' ? '' : '+')
  } catch {
    // No git, or no repository: a package that was unpacked.
    return ''
  }
}

export function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)))
}

/** Bytes that went over the loopback interface since the machine started; null where the system does not say. */
export function loopbackBytes(): number | null {
  const [, bytes] = /\blo:\s*(\d+)/.exec(textOf('/proc/net/dev')) ?? []
  return bytes === undefined ? null : Number(bytes)
}

/**
 * Begins to watch the machine; the function returned says how many cores were busy since then, without the milliseconds of
 * CPU time that are given. Null where the system does not say.
 */
export function busyCores(): (ownCpuMs: number) => number | null {
  const before = busyMs()
  const startMs = performance.now()
  return (ownCpuMs) => {
    if (before === null) return null
    return Math.max(0, (busyMs()! - before - ownCpuMs) / (performance.now() - startMs))
  }
}

/** User, nice, system and both kinds of interrupts, which Linux counts in hundredths of a second. */
function busyMs(): number | null {
  const [, ...fields] = textOf('/proc/stat').split('\n')[0]!.split(/\s+/)
  if (fields.length < 7) return null
  const [user, nice, system, , , interrupts, softInterrupts] = fields.map(Number)
  return (user! + nice! + system! + interrupts! + softInterrupts!) * 10
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
