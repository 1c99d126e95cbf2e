// Holds docs/cli.md and the program to each other.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CLIENT_COMMANDS } from '../../cli/client/flags.ts'
import { parseLine } from '../../cli/command-line.ts'
import { COMMANDS } from '../../cli/commands.ts'
import { EXIT } from '../../cli/failures.ts'
import { CONFIG_FLAG, type Command, configNameOf, environmentNameOf, FLAGS } from '../../cli/flags.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const PAGE = read('docs/cli.md')
const ROWS = PAGE.split('\n').filter((line) => line.startsWith('| `--'))

async function help(...args: string[]): Promise<string> {
  const line = await parseLine([...args, '--help'], '1.2.3')
  assert.ok(line.kind === 'show')
  return line.text
}

/** The flags at the start of help's lines. */
function flagsIn(text: string): string[] {
  return Array.from(text.matchAll(/^ {2}--([a-z-]+)/gm), ([, name]) => name!).sort()
}

const SETTINGS = [...FLAGS.filter(({ lineOnly }) => !lineOnly), CONFIG_FLAG]
const LINE_FLAGS = FLAGS.filter(({ lineOnly }) => lineOnly)

test('every flag has its row with value, environment and config name, and every row its flag', () => {
  for (const flag of SETTINGS) {
    const value = flag.value === undefined ? '' : ` ${flag.value}`
    const row = ROWS.find((line) => line.startsWith(`| \`--${flag.name}${value}\``))
    assert.ok(row, `docs/cli.md has no row for --${flag.name}${value}`)
    assert.ok(row.includes(`\`${environmentNameOf(flag)}\``), environmentNameOf(flag))
    if (flag !== CONFIG_FLAG) assert.ok(row.includes(`| \`${configNameOf(flag)}\` |`), configNameOf(flag))
    assert.equal(row.includes('(many)'), flag.kind === 'texts', `(many) of --${flag.name}`)
    assert.ok(
      flag.default === 'host name' ||
        row.replaceAll('`', '').includes(flag.default.split(',')[0]!) ||
        flag.name === 'data-dir',
      row,
    )
  }
  assert.equal(ROWS.length, FLAGS.length + 1)
})

test('flags of one command alone have their row with the commands that take them', () => {
  for (const flag of LINE_FLAGS) {
    const value = flag.value === undefined ? '' : ` ${flag.value}`
    const row = ROWS.find((line) => line.startsWith(`| \`--${flag.name}${value}\` |`))
    assert.ok(row, `docs/cli.md has no row for --${flag.name}${value}`)
    const of = row.split(' | ')[1]!
    const isOfAll = flag.commands.length === CLIENT_COMMANDS.length
    assert.equal(of, isOfAll ? 'all of them' : flag.commands.map((name) => `\`${name}\``).join(', '))
    assert.ok(row.replaceAll('`', '').includes(flag.default.split(',')[0]!), row)
  }
})

test('help lists the flags of the page, each command its own', async () => {
  const names = (command: Command): string[] =>
    [...FLAGS, CONFIG_FLAG].filter(({ commands }) => commands.includes(command)).map(({ name }) => name)
  for (const command of Object.keys(COMMANDS) as Command[]) {
    const listed = await help(...(command === 'run' ? [] : [command]))
    assert.deepEqual(flagsIn(listed), [...names(command), 'help', 'version'].sort(), command)
  }
  const sentence = /`meshd id` takes (.*)\./.exec(PAGE)?.[1] ?? ''
  assert.deepEqual(Array.from(sentence.matchAll(/--([a-z-]+)/g), ([, name]) => name!).sort(), names('id').sort())
})

test('the page shows every command with its words, and how each is used', () => {
  for (const [command, { words }] of Object.entries(COMMANDS)) {
    assert.match(PAGE, new RegExp(`^ {4}(.*\\| )?(meshd \\[?|.*\\| )${command}\\b`, 'm'), command)
    for (const word of words.split(' ').filter((one) => one !== '')) {
      assert.ok(PAGE.includes(word.replace(/^\[(.*)\]$/, '$1')), `${command} ${word}`)
    }
  }
})

test('the page names no flag and no environment variable that is not there', () => {
  const known = new Set([...FLAGS, CONFIG_FLAG].map(({ name }) => name))
  for (const [, name] of PAGE.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)) {
    assert.ok(known.has(name!) || ['help', 'version', 'no-mdns'].includes(name!), `--${name}`)
  }
  const environment = new Set(SETTINGS.map(environmentNameOf))
  const given = new Set(
    Array.from(read('cli/client/command-runner.ts').matchAll(/(MESHD_[A-Z]+):/g), ([, name]) => name),
  )
  assert.equal(given.size, 6)
  for (const name of given) assert.ok(PAGE.includes(`\`${name}\``), name)
  for (const [name] of PAGE.matchAll(/MESHD_[A-Z_]+/g)) {
    assert.ok(environment.has(name) || given.has(name) || name === 'MESHD_CRYPTO', name)
  }
})

test('the page lists the exit codes', () => {
  const codes = Array.from(PAGE.matchAll(/^\| (\d) \| /gm), ([, code]) => Number(code))
  assert.deepEqual(codes, Object.values(EXIT))
})

test('the page lists the events, with the fields that are printed, and the codes of warnings', () => {
  const source = read('cli/json-events.ts')
  const printed = new Set(Array.from(source.matchAll(/event: '([a-z-]+)'/g), ([, name]) => name!))
  const listed = new Map(
    Array.from(PAGE.matchAll(/^ {4}(\{"event".*\})$/gm), ([, line]) => {
      const { event, ...fields } = JSON.parse(line!)
      return [event as string, Object.keys(fields)]
    }),
  )
  assert.deepEqual([...listed.keys()].sort(), [...printed].sort())
  for (const [event, fields] of listed) {
    assert.ok(PAGE.includes(`| \`${event}\` |`), `the table has no ${event}`)
    const place = source.slice(source.indexOf(`event: '${event}'`))
    const names = place.slice(0, place.indexOf('}')).split(',').slice(1)
    const told = names.map((name) => name.trim().replace('...payloadFields(data)', 'data'))
    assert.deepEqual(fields, told, event)
  }
  const everything = ['speaker', 'json-events', 'run'].map((name) => read(`cli/${name}.ts`)).join('')
  for (const [, code] of everything.matchAll(/warn(?:ing)?\(\s*'([a-z-]+)'/g)) {
    assert.ok(PAGE.includes(`| \`${code}\` |`), `the page has no warning ${code}`)
  }
})

test('the pages list every code that the program itself fails with, and every event of its commands', () => {
  const pages = [PAGE, read('docs/errors.md'), read('docs/api.md'), read('docs/files.md')].join('')
  const folder = new URL('../../cli/', import.meta.url)
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const codes = new Set<string>()
  const events = new Set<string>()
  for (const name of sources) {
    const source = readFileSync(new URL(name, folder), 'utf8')
    for (const [, code] of source.matchAll(/new (?:Failure|Refusal)\(\s*'([a-z-]+)'/g)) codes.add(code!)
    for (const [, event] of source.matchAll(/event: '([a-z-]+)'/g)) events.add(event!)
  }
  assert.ok(codes.size > 15 && events.size > 15)
  for (const code of codes) assert.ok(pages.includes(`\`${code}\``), `no page has the code ${code}`)
  for (const event of events) {
    assert.ok(pages.includes(`\`${event}\``) || pages.includes(`"event":"${event}"`), `no page has the event ${event}`)
  }
})

test('the page lists what the chat understands', () => {
  for (const [, command] of read('cli/chat.ts').matchAll(/case '(\/[a-z]+)'/g)) {
    assert.ok(PAGE.includes(`| \`${command}\``), command)
  }
})
