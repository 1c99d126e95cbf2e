// Reads the command line with yargs: which command, which flags, or a text to show (help, version). Wrong usage is refused
// here with what was probably meant. What the values mean is for settings.ts.

import yargs from 'yargs'
import { COMMANDS } from './commands.ts'
import { UsageError } from './failures.ts'
import { CONFIG_FLAG, type Command, environmentNameOf, FLAGS, type Flag } from './flags.ts'
import type { GivenFlags } from './sources.ts'

export type ParsedLine =
  | {
      readonly kind: 'run'
      readonly command: Command
      readonly given: GivenFlags
      /** What stands behind the command and is no flag: as many as the command takes. */
      readonly words: readonly string[]
    }
  | { readonly kind: 'show'; readonly text: string }

const WIDTH_MAX = 110
const SHOWING = ['help', 'version']

/** `columns`: the terminal's width, where there is one. Rejects with UsageError. */
export async function parseLine(args: readonly string[], version: string, columns?: number): Promise<ParsedLine> {
  let shown = ''
  // yargs lays the help of a command out whenever it is given, which takes longer than all the rest of it.
  const wantsHelp = args.some((arg) => arg === '--help' || arg.startsWith('--help='))
  const parser = yargs([])
    .scriptName('meshd')
    .locale('en')
    .wrap(Math.min(columns ?? WIDTH_MAX, WIDTH_MAX))
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
    })
    .exitProcess(false)
    .fail((message, error) => {
      // A complaint of yargs's own comes with its text; an error without one was thrown by this program's code.
      throw message ? new UsageError(`${sentence(message)}; see meshd --help`, { cause: error }) : error
    })
    .help('help', 'show this')
    .version('version', 'show the version', version)
  for (const command of Object.keys(COMMANDS) as Command[]) {
    const { words, meaning } = COMMANDS[command]
    const names = command === 'run' ? ['run', '$0'] : command
    parser.command(names, words === '' ? meaning : `${words}: ${meaning}`, (builder) => {
      declare(builder, command)
      if (wantsHelp) describe(builder, command)
    })
  }
  const parsed: Record<string, unknown> = await parser.parse(flagsPlain(args), {}, (_error, _argv, output) => {
    shown = output
  })
  if (shown !== '') return { kind: 'show', text: shown }
  const [first = 'run', ...words] = wordsIn(parsed)
  const command = commandOf(first)
  const given = givenFlags(parsed, command)
  checkWords(command, words)
  return { kind: 'run', command, given, words }
}

type Builder = ReturnType<typeof yargs>

/** The flags that the command takes. */
function declare(builder: Builder, command: Command): void {
  for (const flag of flagsOf(command)) {
    builder.option(flag.name, {
      type: flag.kind === 'boolean' ? 'boolean' : 'string',
      array: flag.kind === 'texts',
      ...(flag.kind === 'boolean' ? {} : { nargs: 1 }),
    })
  }
}

/** What its help says. */
function describe(builder: Builder, command: Command): void {
  for (const { name, value, meaning, default: standard } of flagsOf(command)) {
    builder.describe(name, `${value === undefined ? '' : `${value}: `}${meaning} (default: ${standard})`)
  }
  const { words, meaning, examples } = COMMANDS[command]
  if (words !== '') builder.usage(`$0 ${command} ${words} [flags]\n\n${meaning}`)
  for (const [line, what] of examples) builder.example(line, what)
  const environment = environmentNameOf(FLAGS[0]!)
  builder.epilogue(
    `Settings can also stand in the environment (${environment}, …; many values parted by commas) and in the file of --config. ` +
      'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no node is running, 4 timed out. More in docs/cli.md.',
  )
}

function flagsOf(command: Command): Flag[] {
  return [...FLAGS, CONFIG_FLAG].filter(({ commands }) => commands.includes(command))
}

function wordsIn(parsed: Record<string, unknown>): string[] {
  return [...(parsed._ as string[]), ...((parsed['--'] as string[] | undefined) ?? [])].map(String)
}

function commandOf(word: string): Command {
  if (isCommand(word)) return word
  const known = Object.keys(COMMANDS)
  throw new UsageError(
    `unknown command ${JSON.stringify(word)}; ${meant(word, known, '') ?? `known are ${known.join(', ')}`}`,
  )
}

function checkWords(command: Command, words: readonly string[]): void {
  const takes = COMMANDS[command].words.split(' ').filter((word) => word !== '')
  const missing = takes.slice(words.length).filter((word) => !word.startsWith('['))
  if (missing.length > 0) {
    throw new UsageError(`meshd ${command} needs ${missing.join(' and ')}: meshd ${command} ${takes.join(' ')}`)
  }
  if (words.length <= takes.length) return
  const extra = JSON.stringify(words[takes.length])
  const should =
    takes.length === 0
      ? 'flags begin with two dashes'
      : `it is meshd ${command} ${takes.join(' ')}, and what holds spaces stands in quotes`
  throw new UsageError(`meshd ${command} takes no ${extra}; ${should}, see meshd ${command} --help`)
}

function isCommand(text: string): text is Command {
  return Object.hasOwn(COMMANDS, text)
}

function givenFlags(parsed: Record<string, unknown>, command: Command): GivenFlags {
  const flags = flagsOf(command)
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(parsed)) {
    if (['_', '--', '$0', ...SHOWING].includes(name) || value === undefined) continue
    const flag = flags.find((one) => one.name === name)
    if (flag === undefined) throw unknownFlag(name, flags, command)
    if (value === false && flag.kind !== 'boolean') {
      throw new UsageError(`--no-${name} makes no sense; --${name} takes a value`)
    }
    given[name] = value
  }
  return given
}

function unknownFlag(name: string, flags: readonly Flag[], command: Command): UsageError {
  const dashes = name.length === 1 ? '-' : '--'
  const elsewhere = FLAGS.some((flag) => flag.name === name)
  const wrong = elsewhere ? `meshd ${command} has no flag --${name}` : `unknown flag ${dashes}${name}`
  const names = [...flags.map((flag) => flag.name), ...SHOWING]
  return new UsageError(`${wrong}; ${meant(name, names, '--') ?? `meshd ${command} --help lists them`}`)
}

function flagsPlain(args: readonly string[]): string[] {
  const end = args.indexOf('--')
  return end === -1 ? args.map(plainBoolean) : [...args.slice(0, end).map(plainBoolean), ...args.slice(end)]
}

/** yargs takes `--mdns=1`, and anything but `true`, for false: here the value is 1, 0, true, false, or refused. */
function plainBoolean(arg: string): string {
  const match = /^--([a-z-]+)=(.*)$/s.exec(arg)
  const flag = FLAGS.find(({ name }) => name === match?.[1])
  if (match === null || flag?.kind !== 'boolean') return arg
  if (['1', 'true'].includes(match[2]!)) return `--${flag.name}`
  if (['0', 'false'].includes(match[2]!)) return `--no-${flag.name}`
  throw new UsageError(`--${flag.name} is ${JSON.stringify(match[2])}; say --${flag.name} or --no-${flag.name}`)
}

/** yargs's complaint with the flag as it is typed. */
function sentence(message: string): string {
  return message.replace(/^Not enough arguments following: (.+)$/, '--$1 needs a value')
}

/** `did you mean --mdns?` for the nearest known word, or null when none is near. */
function meant(word: string, known: readonly string[], dashes: string): string | null {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ candidate, distance }) => distance <= (candidate.length < 4 ? 1 : 2))
    .sort((a, b) => a.distance - b.distance)[0]
  return near === undefined ? null : `did you mean ${dashes}${near.candidate}?`
}

/** How many letters must be put in, taken out or exchanged to make `b` of `a` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const exchange = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(exchange, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
