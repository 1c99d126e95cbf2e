// Reads the command line with yargs: which command, which flags, or a text to show (help, version). Wrong usage is refused
// here with what was probably meant. What the values mean is for settings.ts.

import yargs from 'yargs'
import { UsageError } from './failures.ts'
import { CONFIG_FLAG, type Command, environmentNameOf, FLAGS, type Flag } from './flags.ts'
import type { GivenFlags } from './sources.ts'

export type ParsedLine =
  | { readonly kind: 'run'; readonly command: Command; readonly given: GivenFlags }
  | { readonly kind: 'show'; readonly text: string }

const COMMANDS: Readonly<
  Record<Command, { readonly meaning: string; readonly examples: readonly [string, string][] }>
> = {
  run: {
    meaning: 'Run a node in the foreground',
    examples: [
      ['$0', 'a chat with every node on the local network'],
      ['$0 --seed 192.0.2.7 --name alice', 'the same, through a node elsewhere'],
      ['tail -F log | $0 --topic logs --quiet', 'each line is a message; what others say is printed'],
      ['$0 --json --listen :0 --ephemeral', 'for programs: events as JSON, a free port, nothing kept'],
    ],
  },
  id: {
    meaning: "Show this node's peer id and how to reach it",
    examples: [
      ['$0 id', 'the id, and an address a line'],
      ['$0 id --json --data-dir /var/lib/meshd', 'the same for programs'],
    ],
  },
}
const WIDTH_MAX = 110
const SHOWING = ['help', 'version']

/** `columns`: the terminal's width, where there is one. Rejects with UsageError. */
export async function parseLine(args: readonly string[], version: string, columns?: number): Promise<ParsedLine> {
  let shown = ''
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
    .command(['run', '$0'], COMMANDS.run.meaning, (builder) => describe(builder, 'run'))
    .command('id', COMMANDS.id.meaning, (builder) => describe(builder, 'id'))
    .help('help', 'show this')
    .version('version', 'show the version', version)
  const parsed: Record<string, unknown> = await parser.parse(args.map(plainBoolean), {}, (_error, _argv, output) => {
    shown = output
  })
  if (shown !== '') return { kind: 'show', text: shown }
  const command = commandOf(parsed)
  return { kind: 'run', command, given: givenFlags(parsed, command) }
}

type Builder = ReturnType<typeof yargs>

function describe(builder: Builder, command: Command): Builder {
  for (const flag of flagsOf(command)) {
    builder.option(flag.name, {
      type: flag.kind === 'boolean' ? 'boolean' : 'string',
      array: flag.kind === 'texts',
      ...(flag.kind === 'boolean' ? {} : { nargs: 1 }),
      describe: `${flag.value === undefined ? '' : `${flag.value}: `}${flag.meaning} (default: ${flag.default})`,
    })
  }
  for (const [line, meaning] of COMMANDS[command].examples) builder.example(line, meaning)
  const environment = environmentNameOf(FLAGS[0]!)
  return builder.epilogue(
    `Each flag can also stand in the environment (${environment}, …; many values parted by commas) and in the file of --config. ` +
      'Exit codes: 0 done, 1 failed, 2 wrong usage. More in docs/cli.md.',
  )
}

function flagsOf(command: Command): Flag[] {
  return [...FLAGS, CONFIG_FLAG].filter(({ commands }) => commands.includes(command))
}

function commandOf(parsed: Record<string, unknown>): Command {
  const words = [...(parsed._ as string[]), ...((parsed['--'] as string[] | undefined) ?? [])].map(String)
  const [first = 'run', second] = words
  const known = Object.keys(COMMANDS)
  if (!isCommand(first)) {
    throw new UsageError(
      `unknown command ${JSON.stringify(first)}; ${meant(first, known, '') ?? `known are ${known.join(', ')}`}`,
    )
  }
  if (second === undefined) return first
  throw new UsageError(
    `meshd ${first} takes no ${JSON.stringify(second)}; flags begin with two dashes, see meshd ${first} --help`,
  )
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
