// What the user wants, checked and complete. sources.ts says where each value comes from (flags, environment, config file);
// here are the defaults and the sense of the values. An error names the place of the bad value. docs/cli.md, "Settings".

import { reasonOf } from '../lib/errors.ts'
import { resolveSubscribeOptions } from '../lib/flood/readers/read-options.ts'
import { checkTopic, TopicPattern } from '../lib/flood/topics.ts'
import { parseAddress } from '../lib/identity/address.ts'
import { NAME_BYTES_MAX } from '../lib/limits.ts'
import { DEFAULTS } from '../lib/options.ts'
import { dataDirOf, pathOf } from './data-dir.ts'
import { UsageError } from './failures.ts'
import { LOG_LEVELS, type LogLevel } from './flags.ts'
import { type HttpPlace, parseHttpPlace } from './http/http-address.ts'
import { parseDuration, parseSize, parseWhole } from './quantities.ts'
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
  /** Where the local socket is to be, an absolute path; null: in the data folder, if there is one. */
  readonly api: string | null
  readonly mdns: boolean
  readonly topic: string
  /** Patterns that are printed beside `topic`. */
  readonly subscribe: readonly string[]
  /** Where printing begins, as `SubscribeOptions.since`; null: with what is live. */
  readonly since: string | null
  readonly durable: string | null
  readonly order: 'arrival' | 'origin'
  readonly exitAfterInput: boolean
  readonly confirmTimeoutMs: number
  /** Null: as the library has it. */
  readonly storeBytesMax: number | null
  readonly storeAgeMsMax: number | null
  readonly degree: number | null
  readonly flood: 'eager' | 'adaptive' | null
  /** An absolute path, or null: other nodes can send no files here. */
  readonly acceptFiles: string | null
  readonly acceptFilesBytesMax: number
  readonly http: HttpPlace | null
  readonly json: boolean
  readonly logLevel: LogLevel
}

const DEFAULT_TOPIC = 'chat'
const NETWORK_BYTES_MAX = 255
const CONFIRM_TIMEOUT_MS = 30_000
/** As `MeshOptions` has them. */
const CONFIRM_TIMEOUT_MS_MAX = 24 * 86_400_000
const STORE_BYTES_MAX = 2 ** 40
const ACCEPT_FILES_BYTES_MAX = 2 ** 30
const STORE_AGE_MS_MAX = 30 * 86_400_000

/** What lib/crypto/choose.ts takes. It refuses others when it loads, which would not be told as wrong usage. */
export const CRYPTO_PROVIDERS: readonly string[] = ['noble', 'native', 'sodium']

/** Throws UsageError. Reads the config file where one is named, and nothing else from the disk. */
export function settingsOf(given: GivenFlags, machine: Machine): Settings {
  checkCrypto(machine.environment.MESHD_CRYPTO ?? '')
  const { text, texts, boolean } = sourcesOf(given, machine)
  const listen = texts('listen')
  const seeds = texts('seed')
  const subscribe = texts('subscribe')
  const topic = text('topic')
  check(listen, (address) => parseAddress(address, { allowPortZero: true }))
  check(seeds, (address) => parseAddress(address))
  check(subscribe, (pattern) => new TopicPattern(pattern))
  if (topic !== null) check(one(topic), checkTopic)
  const dataDir = dataDirOf(text('data-dir'), boolean('ephemeral'), machine)
  const storeSize = text('store-size')
  const storeBytesMax = quantity(storeSize, parseSize, 'a size such as 64M or 1G, at most 1T', 0, STORE_BYTES_MAX)
  const reading = readingOf(text('since'), text('durable'), text('order'), dataDir)
  const exitAfterInput = boolean('exit-after-input')
  const keeper = reading.keeper ?? (exitAfterInput?.value === true ? exitAfterInput : null)
  if (storeBytesMax === 0 && keeper !== null) {
    throw new UsageError(`${keeper.from} needs what ${storeSize!.from} 0 does not keep; leave one of them out`)
  }
  return Object.freeze({
    listen: listen?.value ?? DEFAULTS.listen,
    seeds: seeds?.value ?? DEFAULTS.seeds,
    network: sized(text('network'), 1, NETWORK_BYTES_MAX) ?? DEFAULTS.network.name,
    networkKeyFile: networkKeyOf(text('network-key')),
    name: sized(text('name'), 0, NAME_BYTES_MAX) ?? cutToBytes(machine.hostName, NAME_BYTES_MAX),
    dataDir,
    api: pathOf(text('api')),
    mdns: boolean('mdns')?.value ?? DEFAULTS.mdns,
    topic: topic?.value ?? DEFAULT_TOPIC,
    subscribe: subscribe?.value ?? [],
    since: reading.since,
    durable: reading.durable,
    order: reading.order,
    exitAfterInput: exitAfterInput?.value ?? false,
    confirmTimeoutMs:
      quantity(
        text('confirm-timeout'),
        parseDuration,
        'a duration such as 30s or 5m, at most 24d',
        1,
        CONFIRM_TIMEOUT_MS_MAX,
      ) ?? CONFIRM_TIMEOUT_MS,
    storeBytesMax,
    storeAgeMsMax: quantity(
      text('store-age'),
      parseDuration,
      'a duration such as 10m or 24h, at most 30d',
      1,
      STORE_AGE_MS_MAX,
    ),
    degree: quantity(
      text('degree'),
      parseWhole,
      `a whole number from 0 to ${DEFAULTS.degree.max}`,
      0,
      DEFAULTS.degree.max,
    ),
    flood: floodOf(text('flood')),
    acceptFiles: pathOf(text('accept-files')),
    acceptFilesBytesMax:
      quantity(text('accept-files-max'), parseSize, 'a size such as 64M or 1G', 0, Number.MAX_SAFE_INTEGER) ??
      ACCEPT_FILES_BYTES_MAX,
    http: httpOf(text('http'), listen),
    json: boolean('json')?.value ?? false,
    logLevel: logLevelOf(text('log-level'), boolean('quiet')),
  })
}

function checkCrypto(provider: string): void {
  if (provider === '' || CRYPTO_PROVIDERS.includes(provider)) return
  throw new UsageError(
    `MESHD_CRYPTO is ${JSON.stringify(provider)}; it must be noble (portable cryptography alone), native (no libsodium) or unset`,
  )
}

/** A dash is no path. */
function networkKeyOf(found: Found<string> | null): string | null {
  return found?.value === '-' ? '-' : pathOf(found)
}

interface Reading {
  readonly since: string | null
  readonly durable: string | null
  readonly order: 'arrival' | 'origin'
  /** The first of the settings that need a store. */
  readonly keeper: Found<unknown> | null
}

/** Each is checked as the library will check it. */
function readingOf(
  since: Found<string> | null,
  durable: Found<string> | null,
  order: Found<string> | null,
  dataDir: string | null,
): Reading {
  const everything = { keepsBundles: true, isDurable: true }
  if (since !== null) check(one(since), (text) => resolveSubscribeOptions({ since: text }, everything))
  if (durable !== null) check(one(durable), (name) => resolveSubscribeOptions({ durable: name }, everything))
  if (order !== null && order.value !== 'arrival' && order.value !== 'origin') {
    throw new UsageError(`${order.from} is ${JSON.stringify(order.value)}; it must be arrival or origin`)
  }
  if (durable !== null && dataDir === null) {
    throw new UsageError(`${durable.from} needs a data folder, and with --ephemeral there is none`)
  }
  const isOrdered = order?.value === 'origin'
  return {
    since: since?.value ?? null,
    durable: durable?.value ?? null,
    order: isOrdered ? 'origin' : 'arrival',
    keeper: since ?? durable ?? (isOrdered ? order : null),
  }
}

function httpOf(found: Found<string> | null, listen: Found<readonly string[]> | null): HttpPlace | null {
  if (found === null) return null
  const place = parseHttpPlace(found.value, found.from)
  if (place.kind === 'same' && listen?.value.length === 0) {
    const text = `needs a port of the mesh, and ${listen.from} has none; give one with --listen, or HTTP a port of its own`
    throw new UsageError(`${found.from} same ${text}`)
  }
  return place
}

function one(found: Found<string>): Found<readonly string[]> {
  return { ...found, value: [found.value] }
}

function quantity(
  found: Found<string> | null,
  parse: (text: string) => number | null,
  should: string,
  min: number,
  max: number,
): number | null {
  if (found === null) return null
  const value = parse(found.value)
  if (value !== null && value >= min && value <= max) return value
  throw new UsageError(`${found.from} is ${JSON.stringify(found.value)}; it must be ${should}`)
}

function floodOf(found: Found<string> | null): 'eager' | 'adaptive' | null {
  if (found === null) return null
  if (found.value === 'eager' || found.value === 'adaptive') return found.value
  throw new UsageError(`${found.from} is ${JSON.stringify(found.value)}; it must be adaptive or eager`)
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

/** The longest beginning of at most `bytesMax` bytes that does not cut a character. */
function cutToBytes(text: string, bytesMax: number): string {
  let out = ''
  for (const character of text) {
    if (Buffer.byteLength(out + character) > bytesMax) break
    out += character
  }
  return out
}
