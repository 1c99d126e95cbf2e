// Where a setting is found: on the command line, in the environment, in a config file, in this order. What comes out has
// the type that the flag table asks for, and remembers where it stood. Whether the value makes sense is for settings.ts.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { UsageError } from './failures.ts'
import { CONFIG_FLAG, configNameOf, environmentNameOf, FLAGS, type Flag, type FlagKind } from './flags.ts'

/** Values by flag name, as the command line gave them: text, an array of texts, or a boolean; absent where not given. */
export type GivenFlags = Readonly<Record<string, unknown>>

/** What settings depend on besides the command line. */
export interface Machine {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  readonly hostName: string
  readonly workingFolder: string
  /** May throw: not every account has one. */
  homeFolder(): string
}

export interface Found<T> {
  readonly value: T
  /** How an error names the place: `--listen`, `MESHD_LISTEN`, `"listen" in /etc/meshd.json`. */
  readonly from: string
  /** 0 command line, 1 environment, 2 config file: the lower one wins. */
  readonly rank: number
  /** Where relative paths start: the working folder, or the config file's own. */
  readonly folder: string
}

export interface Sources {
  text(name: string): Found<string> | null
  texts(name: string): Found<readonly string[]> | null
  boolean(name: string): Found<boolean> | null
}

/** Throws UsageError: a value of the wrong type, a config file that is not there, is not JSON or names unknown settings. */
export function sourcesOf(given: GivenFlags, machine: Machine): Sources {
  const folder = machine.workingFolder
  const before = (flag: Flag): Found<unknown> | null => {
    const value = given[flag.name]
    if (value !== undefined) return { value, from: `--${flag.name}`, rank: 0, folder }
    if (flag.lineOnly) return null
    const name = environmentNameOf(flag)
    const text = machine.environment[name]
    // Empty counts as not set: that is how compose files and unit files leave a variable out.
    if (text === undefined || isEmpty(flag.kind, text)) return null
    return { value: fromText(flag.kind, text, name), from: name, rank: 1, folder }
  }
  const configPath = before(CONFIG_FLAG)
  const config = configPath === null ? null : readConfig(resolve(folder, oneText(configPath)), configPath.from)
  const find = (name: string): Found<unknown> | null => {
    const flag = FLAGS.find((one) => one.name === name)
    if (flag === undefined) throw new Error(`no flag ${name} in the table`)
    return before(flag) ?? config?.get(flag.name) ?? null
  }
  return {
    text: (name) => {
      const found = find(name)
      return found === null ? null : { ...found, value: oneText(found) }
    },
    texts: (name) => find(name) as Found<readonly string[]> | null,
    boolean: (name) => find(name) as Found<boolean> | null,
  }
}

/** The command line gives an array when a flag that takes one value was given again. */
function oneText(found: Found<unknown>): string {
  if (typeof found.value === 'string') return found.value
  throw new UsageError(`${found.from} was given more than once; it takes one value`)
}

/** A list of commas alone is what a template leaves of values that are all empty. */
function isEmpty(kind: FlagKind, text: string): boolean {
  return kind === 'texts' ? /^[\s,]*$/.test(text) : text === ''
}

function fromText(kind: FlagKind, text: string, from: string): unknown {
  switch (kind) {
    case 'boolean':
      if (text === '1' || text === 'true') return true
      if (text === '0' || text === 'false') return false
      throw new UsageError(`${from} is ${JSON.stringify(text)}; it must be 1, 0, true or false`)
    case 'texts':
      return text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')
    default:
      return text
  }
}

function readConfig(path: string, from: string): Map<string, Found<unknown>> {
  const content = parseConfig(path, from)
  const known = new Map(FLAGS.filter(({ lineOnly }) => !lineOnly).map((flag) => [configNameOf(flag), flag]))
  const found = new Map<string, Found<unknown>>()
  for (const [key, value] of Object.entries(content)) {
    const flag = known.get(key)
    if (flag === undefined) {
      throw new UsageError(`unknown name ${JSON.stringify(key)} in ${path}; known are ${[...known.keys()].join(', ')}`)
    }
    const place = `${JSON.stringify(key)} in ${path}`
    found.set(flag.name, { value: fromJson(flag.kind, value, place), from: place, rank: 2, folder: dirname(path) })
  }
  return found
}

function parseConfig(path: string, from: string): object {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(cause)
    throw new UsageError(`${from}: cannot read ${path}: ${why}; it must name a JSON file`, { cause })
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw new UsageError(`${path} is not JSON: ${(cause as Error).message}; it must hold one JSON object`, { cause })
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new UsageError(`${path} holds something else; it must hold one JSON object`)
  }
  return content
}

function fromJson(kind: FlagKind, value: unknown, place: string): unknown {
  switch (kind) {
    case 'boolean':
      if (typeof value === 'boolean') return value
      throw new UsageError(`${place} is of the wrong type; it must be true or false`)
    case 'texts': {
      const texts = typeof value === 'string' ? [value] : value
      if (Array.isArray(texts) && texts.every((item) => typeof item === 'string')) return texts
      throw new UsageError(`${place} is of the wrong type; it must be an array of texts`)
    }
    case 'whole':
      if (typeof value === 'number') return String(value)
      throw new UsageError(`${place} is of the wrong type; it must be a whole number`)
    default:
      if (typeof value === 'string') return value
      throw new UsageError(`${place} is of the wrong type; it must be text`)
  }
}
