// What the user wants, checked and complete. sources.ts says where each value comes from (flags, environment, config file);
// here are the defaults and the sense of the values. An error names the place of the bad value. docs/cli.md, "Settings".

import { join, posix, resolve } from 'node:path'
import { reasonOf } from '../lib/errors.ts'
import { checkTopic, TopicPattern } from '../lib/flood/topics.ts'
import { parseAddress } from '../lib/identity/address.ts'
import { NAME_BYTES_MAX } from '../lib/limits.ts'
import { DEFAULTS } from '../lib/options.ts'
import { UsageError } from './failures.ts'
import { LOG_LEVELS, type LogLevel } from './flags.ts'
import { type Found, type GivenFlags, type Machine, sourcesOf } from './sources.ts'

export interface Settings {
  readonly listen: readonly string[]
  readonly seeds: readonly string[]
  readonly network: string
  /** An absolute path, `-` for the first line of standard input, or null: an open network. */
  readonly networkKeyFile: string | null
  readonly name: string
  /** An absolute path, or null when nothing is to be kept. */
  readonly dataDir: string | null
  readonly mdns: boolean
  readonly topic: string
  /** Patterns that are printed beside `topic`. */
  readonly subscribe: readonly string[]
  readonly json: boolean
  readonly logLevel: LogLevel
}

const DEFAULT_TOPIC = 'chat'
const NETWORK_BYTES_MAX = 255

/** Throws UsageError. Reads the config file where one is named, and nothing else from the disk. */
export function settingsOf(given: GivenFlags, machine: Machine): Settings {
  const { text, texts, boolean } = sourcesOf(given, machine)
  const listen = texts('listen')
  const seeds = texts('seed')
  const subscribe = texts('subscribe')
  const topic = text('topic')
  check(listen, (address) => parseAddress(address, { allowPortZero: true }))
  check(seeds, (address) => parseAddress(address))
  check(subscribe, (pattern) => new TopicPattern(pattern))
  if (topic !== null) check({ ...topic, value: [topic.value] }, checkTopic)
  return Object.freeze({
    listen: listen?.value ?? DEFAULTS.listen,
    seeds: seeds?.value ?? DEFAULTS.seeds,
    network: sized(text('network'), 1, NETWORK_BYTES_MAX) ?? DEFAULTS.network.name,
    networkKeyFile: pathOf(text('network-key'), true),
    name: sized(text('name'), 0, NAME_BYTES_MAX) ?? cutToBytes(machine.hostName, NAME_BYTES_MAX),
    dataDir: dataDirOf(text('data-dir'), boolean('ephemeral'), machine),
    mdns: boolean('mdns')?.value ?? DEFAULTS.mdns,
    topic: topic?.value ?? DEFAULT_TOPIC,
    subscribe: subscribe?.value ?? [],
    json: boolean('json')?.value ?? false,
    logLevel: logLevelOf(text('log-level'), boolean('quiet')),
  })
}

/** What the platform keeps programs' data in. Throws UsageError where there is no home folder. */
export function defaultDataDir({ environment, platform, homeFolder }: Machine): string {
  const home = (): string => {
    try {
      return homeFolder()
    } catch (cause) {
      throw new UsageError('this account has no home folder; say --data-dir DIR, or --ephemeral to keep nothing', {
        cause,
      })
    }
  }
  if (platform === 'win32') return join(environment.LOCALAPPDATA || join(home(), 'AppData', 'Local'), 'meshd')
  if (platform === 'darwin') return join(home(), 'Library', 'Application Support', 'meshd')
  // The XDG base directory specification: a relative path is to be ignored.
  const data = environment.XDG_DATA_HOME ?? ''
  return posix.isAbsolute(data) ? join(data, 'meshd') : join(home(), '.local', 'share', 'meshd')
}

function dataDirOf(dataDir: Found<string> | null, ephemeral: Found<boolean> | null, machine: Machine): string | null {
  if (ephemeral?.value === true) {
    if (dataDir === null || ephemeral.rank < dataDir.rank) return null
    if (dataDir.rank === ephemeral.rank) {
      throw new UsageError(`${dataDir.from} and ${ephemeral.from} exclude each other; give one of them`)
    }
  }
  return pathOf(dataDir, false) ?? defaultDataDir(machine)
}

function logLevelOf(level: Found<string> | null, quiet: Found<boolean> | null): LogLevel {
  const known = LOG_LEVELS.find((one) => one === level?.value)
  if (level !== null && known === undefined) {
    throw new UsageError(`${level.from} is ${JSON.stringify(level.value)}; it must be one of ${LOG_LEVELS.join(', ')}`)
  }
  if (quiet?.value === true && quiet.rank <= (level?.rank ?? quiet.rank)) return 'error'
  return known ?? 'info'
}

function check(found: Found<readonly string[]> | null, parse: (text: string) => void): void {
  for (const text of found?.value ?? []) {
    try {
      parse(text)
    } catch (cause) {
      throw new UsageError(`${found!.from} is ${JSON.stringify(text)}; ${reasonOf(cause)}`, { cause })
    }
  }
}

function sized(found: Found<string> | null, bytesMin: number, bytesMax: number): string | null {
  if (found === null) return null
  const bytes = Buffer.byteLength(found.value)
  if (bytes >= bytesMin && bytes <= bytesMax) return found.value
  throw new UsageError(`${found.from} is ${bytes} bytes long; it must be text of ${bytesMin} to ${bytesMax} bytes`)
}

function pathOf(found: Found<string> | null, dashAllowed: boolean): string | null {
  if (found === null) return null
  if (dashAllowed && found.value === '-') return '-'
  if (found.value === '') throw new UsageError(`${found.from} is empty; it must name a path`)
  return resolve(found.folder, found.value)
}

/** The longest beginning of at most `bytesMax` bytes that does not cut a character. */
function cutToBytes(text: string, bytesMax: number): string {
  let out = ''
  for (const character of text) {
    if (Buffer.byteLength(out + character) > bytesMax) break
    out += character
  }
  return out
}
