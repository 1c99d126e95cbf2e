import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from '../../cli/run.ts'
import type { Settings } from '../../cli/settings.ts'
import { MeshError } from '../../lib/errors.ts'
import { ALICE, BOB, FakeHost, type FakeMesh, SETTINGS } from './fake-node.ts'

interface Chatting {
  readonly host: FakeHost
  readonly mesh: FakeMesh
  readonly ended: Promise<number>
  /** Presses keys and lets the program see them. */
  type(keys: string): Promise<void>
  /** What is on the screen, by a terminal that knows the few sequences that readline uses. */
  screen(): string[]
}

async function chat(settings: Partial<Settings> = {}): Promise<Chatting> {
  const host = new FakeHost({ terminal: true })
  const ended = run({ ...SETTINGS, ...settings }, host)
  await host.until(() => host.out.endsWith('> \x1b[3G'), 'the prompt')
  const type = async (keys: string): Promise<void> => {
    host.stdin.write(keys)
    for (let i = 0; i < 10; i++) await new Promise(setImmediate)
  }
  return { host, mesh: host.mesh, ended, type, screen: () => render(host.out, 40) }
}

/** Rows of a terminal of the given width after this output; fails on a sequence that it does not know. */
function render(output: string, columns: number): string[] {
  const rows: string[][] = [[]]
  let [row, column] = [0, 0]
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what readline writes
  const sequences = /\x1b\[(\d*)([A-Z])|[\s\S]/gu
  for (const [text, count, command] of output.matchAll(sequences)) {
    const n = Number(count || '1')
    if (command === undefined) {
      if (text === '\x1b') assert.fail('an escape that is no known sequence')
      if (text === '\r') column = 0
      else if (text === '\n') [row, column] = [row + 1, 0]
      else {
        if (column >= columns) [row, column] = [row + 1, 0]
        while (rows.length <= row) rows.push([])
        const cells = rows[row]!
        while (cells.length < column) cells.push(' ')
        cells[column++] = text
      }
    } else if (command === 'A') row = Math.max(0, row - n)
    else if (command === 'B') row += n
    else if (command === 'C') column += n
    else if (command === 'D') column = Math.max(0, column - n)
    else if (command === 'G') column = n - 1
    else if (command === 'K') rows[row]?.splice(column)
    else if (command === 'J') {
      rows[row]?.splice(column)
      rows.splice(row + 1)
    } else assert.fail(`unknown sequence ${JSON.stringify(text)}`)
    while (rows.length <= row) rows.push([])
  }
  return rows.map((cells) => cells.join('').trimEnd())
}

test('a typed line is published, and the prompt comes again', async () => {
  const { mesh, type, screen, host, ended } = await chat()
  await type('hello\r')
  assert.deepEqual(mesh.publishedTexts(), ['hello'])
  assert.deepEqual(screen().slice(-2), ['> hello', '>'])
  await type('\r')
  assert.equal(mesh.published.length, 1)
  host.signals.emit('SIGINT')
  assert.equal(await ended, 0)
})

test('what others say stands above what is being typed', async () => {
  const { mesh, type, screen, host, ended } = await chat()
  mesh.emit('neighbourUp', { peer: ALICE, address: '/ip4/192.0.2.1/tcp/1', direction: 'in', name: 'alice' })
  await type('half a sen')
  mesh.deliver('chat', 'hi \x1b[2Jthere')
  mesh.deliver('chat', 'unknown', BOB)
  await type('tence')
  assert.deepEqual(screen().slice(-4), [
    '.2.1:1',
    '<alice> hi \\x1b[2Jthere',
    `<${BOB.slice(-8)}> unknown`,
    '> half a sentence',
  ])
  host.signals.emit('SIGTERM')
  await ended
})

test('typing over several rows survives what others say', async () => {
  const { mesh, type, screen, host, ended } = await chat()
  const long = 'abcdefghij'.repeat(9)
  await type(long)
  mesh.deliver('chat', 'one')
  await type('')
  mesh.deliver('chat', 'two')
  await type('END')
  const typed = `> ${long}END`
  assert.deepEqual(screen().slice(-5), [
    `<${ALICE.slice(-8)}> one`,
    `<${ALICE.slice(-8)}> two`,
    typed.slice(0, 40),
    typed.slice(40, 80),
    typed.slice(80),
  ])
  host.signals.emit('SIGTERM')
  await ended
})

test('typing in the first of several rows survives what others say', async () => {
  const { mesh, type, screen, host, ended } = await chat()
  const long = 'abcdefghij'.repeat(9)
  await type(long)
  await type('\x01')
  mesh.deliver('chat', 'one')
  await type('START')
  const typed = `> START${long}`
  assert.deepEqual(screen().slice(-4), [
    `<${ALICE.slice(-8)}> one`,
    typed.slice(0, 40),
    typed.slice(40, 80),
    typed.slice(80),
  ])
  host.signals.emit('SIGTERM')
  await ended
})

test('several keys that arrive together go where the cursor is', async () => {
  const { mesh, type, host, ended } = await chat()
  await type('wörld')
  await type('\x01')
  await type('hellö ')
  await type('\x1b[F!🙂\r')
  assert.deepEqual(mesh.publishedTexts(), ['hellö wörld!🙂'])
  host.signals.emit('SIGTERM')
  await ended
})

test('a paste of several lines is as many messages', async () => {
  const { mesh, type, host, ended } = await chat()
  await type('one\rtwo\rthree')
  assert.deepEqual(mesh.publishedTexts(), ['one', 'two'])
  host.signals.emit('SIGTERM')
  await ended
})

test('a terminal that is hung up ends the chat', async () => {
  const { host, ended } = await chat()
  host.stdin.destroy(Object.assign(new Error('read EIO'), { code: 'EIO' }))
  assert.equal(await ended, 0)
})

test('a message from another topic shows where it is from', async () => {
  const { mesh, type, screen, host, ended } = await chat({ subscribe: ['news/#'] })
  mesh.deliver('news/a\u202eb', 'x')
  await type('')
  assert.equal(screen().at(-2), `<${ALICE.slice(-8)}> [news/a\\u202eb] x`)
  host.signals.emit('SIGTERM')
  await ended
})

test('a very long message is shown by its beginning, and a flood by its first lines', async () => {
  const { mesh, type, host, ended } = await chat()
  mesh.deliver('chat', 'y'.repeat(5_000))
  await type('')
  assert.match(host.out, /y{4096}… \(904 more\)/)
  for (let i = 0; i < 1_500; i++) mesh.deliver('chat', 'z')
  await type('')
  assert.equal(host.out.match(/> z\n/g)?.length, 1_000)
  assert.match(host.out, /\* 500 more lines came at once and were left out/)
  host.signals.emit('SIGTERM')
  await ended
})

test('/help, /peers and what is no command', async () => {
  const { mesh, type, screen, host, ended } = await chat()
  const rest = {
    agent: null,
    queuedBytes: 0,
    flood: 'eager' as const,
    openForMs: 1,
    retryInMs: null,
    lastError: null,
    roundTripMs: null,
  }
  mesh.emit('neighbourUp', { peer: ALICE, address: '/ip4/1.2.3.4/tcp/1', direction: 'in', name: 'alice' })
  mesh.snapshots = [
    {
      ...rest,
      state: 'open',
      peer: ALICE,
      name: 'alice',
      address: '/ip4/1.2.3.4/tcp/1',
      direction: 'in',
      source: 'inbound',
      roundTripMs: 2,
    },
    {
      ...rest,
      state: 'backing-off',
      peer: null,
      name: null,
      address: '/ip4/5.6.7.8/tcp/2',
      direction: null,
      source: 'seed',
      lastError: 'refused',
      retryInMs: 3_000,
    },
  ]
  await type('/peers\r')
  const shown = screen().join('')
  assert.match(shown, /\* 1 connected:/)
  assert.match(shown, /\* {3}alice \(iceALICE\) from 1\.2\.3\.4:1, 2\.0 ms/)
  assert.match(shown, /\* {3}5\.6\.7\.8:2 backing-off: refused; next try in 3\.0 s/)
  await type('/help\r')
  assert.match(host.out, /\* \/quit {4}leave/)
  await type('/foo bar\r')
  assert.match(host.out, /unknown command \/foo bar; known are \/peers, \/nodes, \/help and \/quit/)
  assert.deepEqual(mesh.published, [])
  await type('//etc\r')
  assert.deepEqual(mesh.publishedTexts(), ['/etc'])
  host.signals.emit('SIGTERM')
  await ended
})

test('/nodes tells who is in the network, and who was', async () => {
  const { mesh, type, screen, host, ended } = await chat()
  const rest = { agent: '', addresses: [], neighbours: [], startedAtMs: 0, lastHeardMs: 90_000, up: true }
  mesh.nodeSnapshots = [
    { ...rest, peer: mesh.id, name: 'me', hops: 0 },
    { ...rest, peer: ALICE, name: 'ali\x1bce', hops: 1 },
    { ...rest, peer: BOB, name: '', hops: 3 },
    { ...rest, peer: 'x-carol000', name: 'carol', hops: null },
    { ...rest, peer: 'x-dave0000', name: 'dave', hops: null, up: false },
  ]
  await type('/nodes\r')
  const shown = screen().join('|')
  assert.match(shown, /\* 4 in the network:\|\* {3}me \(FakeFAKE\), this node\|/)
  assert.match(shown, /ali\\x1bce \(iceALICE\), a neighbour\|\* {3}obBobBOB, 3 links away\|/)
  assert.match(shown, /\|\* {3}carol \(carol000\), way unknown\|/)
  assert.match(shown.replaceAll('|', ''), /dave \(dave0000\) gone, last heard 90 ?s ago/)
  host.signals.emit('SIGTERM')
  await ended
})

test('a history is shown in full, however long', async () => {
  const { mesh, host, ended } = await chat({ since: 'stored' })
  for (let i = 0; i < 3_000; i++) await mesh.deliver('chat', `line ${i}`)[0]
  for (let i = 0; i < 10; i++) await new Promise(setImmediate)
  assert.equal(host.out.match(/> line \d+\n/g)?.length, 3_000)
  assert.equal(mesh.acknowledged.length, 3_000)
  host.signals.emit('SIGTERM')
  await ended
})

test('nobody there to hear, and what cannot be published, is told in the chat', async () => {
  const { mesh, type, host, ended } = await chat()
  mesh.outcomes = []
  await type('a\r')
  assert.match(host.out, /\* warning: no neighbour is connected/)
  mesh.publishError = new MeshError('too-large', 'too much')
  await type('b\r')
  assert.match(host.out, /\* this was not published: too much/)
  assert.equal(host.err, '')
  host.signals.emit('SIGTERM')
  assert.equal(await ended, 0)
})

for (const [name, keys] of [
  ['/quit', '/quit\r'],
  ['Ctrl-D', '\x04'],
  ['Ctrl-C', '\x03'],
] as const) {
  test(`${name} leaves in order and gives the terminal back`, async () => {
    const { mesh, type, host, ended } = await chat()
    await type(keys)
    assert.equal(await ended, 0)
    assert.deepEqual(mesh.calls, ['start', 'stop'])
    assert.deepEqual(host.rawModes, [true, false])
    assert.match(host.out, /[^\n]\n$/)
  })
}
