// What a command that talks to a running node is to do, from its flags. Where the node is comes from the same settings as
// that of `run`; everything else stands on the command line alone. docs/cli.md, "Commands that talk to the running node".

import { TIME_TO_LIVE_S_MAX } from '../../lib/limits.ts'
import { type ApiPlace, apiPlaceOf } from '../api/place.ts'
import { dataDirOf, pathOf } from '../data-dir.ts'
import { UsageError } from '../failures.ts'
import { parseDuration, parseWhole } from '../quantities.ts'
import { type GivenFlags, type Machine, sourcesOf } from '../sources.ts'

export interface ClientSettings {
  readonly place: ApiPlace
  readonly platform: NodeJS.Platform
  /** By this the commands in a command (`--exec`) find the same node; undefined: a variable that must not be there. */
  readonly nodeEnvironment: Readonly<Record<string, string | undefined>>
  readonly json: boolean
  /** Null: as the command has it. */
  readonly timeoutMs: number | null
  readonly count: number | null
  readonly confirm: number | null
  readonly retain: boolean
  readonly ttlS: number | null
  readonly since: string | null
  readonly durable: string | null
  readonly order: 'arrival' | 'origin' | null
  readonly exec: string | null
  readonly execParallel: number
  /** Of `reply`: what every request is answered with. */
  readonly text: string | null
  /** Of `pipe`: the protocol to wait for. */
  readonly listen: string | null
}

/** Timers go no further. */
const TIMEOUT_MS_MAX = 24 * 86_400_000
const CONFIRM_MAX = 4_096
const COUNT_MAX = 1e12
/** Processes are dear, and the machine is not this command's alone. */
export const EXEC_PARALLEL_MAX = 256

/** Throws UsageError. Reads the config file where one is named, and nothing else from the disk. */
export function clientSettingsOf(given: GivenFlags, machine: Machine): ClientSettings {
  const { text, boolean } = sourcesOf(given, machine)
  const { platform } = machine
  const [apiFound, folderFound] = [text('api'), text('data-dir')]
  // Who names the socket needs no folder; a folder on the command line counts before a socket in the environment.
  const isFolder = apiFound === null || (folderFound !== null && folderFound.rank < apiFound.rank)
  const api = isFolder ? null : pathOf(apiFound)
  const dataDir = isFolder ? dataDirOf(folderFound, boolean('ephemeral'), machine) : null
  const place = apiPlaceOf({ api, dataDir }, platform)
  if (place === null) {
    throw new UsageError(
      'a node with --ephemeral has no folder to find it by; give both it and this command --api PATH',
    )
  }
  const line = new Line(given)
  const order = line.text('order')
  if (order !== null && order !== 'arrival' && order !== 'origin') {
    throw new UsageError(`--order is ${JSON.stringify(order)}; it must be arrival or origin`)
  }
  const exec = line.text('exec')
  const execParallel = line.whole('exec-parallel', 1, EXEC_PARALLEL_MAX)
  if (execParallel !== null && exec === null)
    throw new UsageError('--exec-parallel is for --exec; give both or neither')
  if (exec?.trim() === '') throw new UsageError('--exec is empty; it must be a command for the shell')
  const ttlMs = line.duration('ttl', TIME_TO_LIVE_S_MAX * 1_000)
  return Object.freeze({
    place,
    platform,
    nodeEnvironment: {
      MESHD_API: api ?? undefined,
      MESHD_DATA_DIR: dataDir ?? undefined,
      MESHD_EPHEMERAL: undefined,
    },
    json: boolean('json')?.value ?? false,
    timeoutMs: line.duration('timeout', TIMEOUT_MS_MAX),
    count: line.whole('count', 1, COUNT_MAX),
    confirm: line.whole('confirm', 0, CONFIRM_MAX),
    retain: given.retain === true,
    ttlS: ttlMs === null ? null : Math.ceil(ttlMs / 1_000),
    since: line.text('since'),
    durable: line.text('durable'),
    order,
    exec,
    execParallel: execParallel ?? 1,
    text: line.text('text'),
    listen: line.text('listen'),
  })
}

/** Values that can only stand on the command line. */
class Line {
  readonly #given: GivenFlags

  constructor(given: GivenFlags) {
    this.#given = given
  }

  text(name: string): string | null {
    const value = this.#given[name]
    if (value === undefined) return null
    if (typeof value === 'string') return value
    throw new UsageError(`--${name} was given more than once; it takes one value`)
  }

  whole(name: string, min: number, max: number): number | null {
    const text = this.text(name)
    if (text === null) return null
    const value = parseWhole(text)
    if (value !== null && value >= min && value <= max) return value
    throw new UsageError(`--${name} is ${JSON.stringify(text)}; it must be a whole number from ${min} to ${max}`)
  }

  duration(name: string, maxMs: number): number | null {
    const text = this.text(name)
    if (text === null) return null
    const value = parseDuration(text)
    if (value !== null && value <= maxMs) return value
    const most = maxMs % 86_400_000 === 0 ? `, at most ${maxMs / 86_400_000}d` : ''
    throw new UsageError(`--${name} is ${JSON.stringify(text)}; it must be a duration such as 90s, 10m or 24h${most}`)
  }
}
