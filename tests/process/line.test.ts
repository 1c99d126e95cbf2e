// Meshes of real processes over loopback: what a user would see, kill -9 included.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '../tools/at-end.ts'
import { freePort, Meshd } from './meshd.ts'

/** They stay a line: nobody looks for neighbours beyond those asked for. */
const STAY_A_LINE = ['--degree', '0']
/** Three times what is meant: how busy the machine is does not decide. What a node waits by itself is asked for apart. */
const SOON_MS = 15_000

/**
 * A to E, each seeded with its left neighbour, each with a data folder so that it is the same node after a restart. They
 * find more links by themselves, unless `options` say otherwise.
 */
async function lineOfFive(
  context: TestContext,
  options: readonly string[] = [],
): Promise<{ nodes: Meshd[]; again: (index: number) => Meshd }> {
  const folder = temporaryFolder(context, 'line')
  const ports = await Promise.all([1, 2, 3, 4, 5].map(freePort))
  const again = (index: number): Meshd => {
    const seed = index === 0 ? [] : ['--seed', `127.0.0.1:${ports[index - 1]}`]
    const data = join(folder, String(index))
    const listen = ['--listen', `127.0.0.1:${ports[index]}`]
    return new Meshd(context, ['--no-mdns', ...listen, '--data-dir', data, ...seed, ...options])
  }
  const nodes = ports.map((_, index) => again(index))
  const ids = await Promise.all(nodes.map((node) => node.id()))
  for (let i = 1; i < nodes.length; i++) await Promise.all([nodes[i]!.up(ids[i - 1]!), nodes[i - 1]!.up(ids[i]!)])
  // What the first node published at its start has come to the last: its order begins there, whichever way the rest takes.
  await nodes.at(-1)!.event((e) => e.event === 'node-up' && e.peer === ids[0], 'node-up of the first')
  return { nodes, again }
}

function numbered(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('')
}

test('10,000 lines piped into one end of a line of five arrive at the other, each once and in order', async (context) => {
  const { nodes } = await lineOfFive(context, STAY_A_LINE)
  nodes[0]!.say(numbered(0, 10_000))
  const last = nodes[4]!
  const event = await last.event((e) => e.data === 'line 9999', 'last line')
  assert.equal(event.hops, 4)
  assert.deepEqual(last.messages(), numbered(0, 10_000).trimEnd().split('\n'))
})

test('10,000 lines arrive each once and in order while the nodes of a line find shorter ways', async (context) => {
  const { nodes } = await lineOfFive(context)
  // Not as fast as they could take it: a node that is half a second behind another is past the time that order is waited for.
  for (let next = 0; next < 10_000; next += 100) {
    nodes[0]!.say(numbered(next, next + 100))
    await sleep(25)
  }
  const last = nodes[4]!
  await last.event((e) => e.data === 'line 9999', 'last line')
  assert.deepEqual(last.messages(), numbered(0, 10_000).trimEnd().split('\n'))
})

test('after kill -9 of an inner node its neighbours join it again soon, and no line comes twice', async (context) => {
  const { nodes, again } = await lineOfFive(context)
  const [a, b, c, , e] = nodes as [Meshd, Meshd, Meshd, Meshd, Meshd]
  const id = await b.id()
  let next = 0
  // Not as many as they could take: what is asked is how soon a node is back, not how it starts on a machine that has no time.
  const flow = setInterval(() => {
    a.say(numbered(next, next + 5))
    next += 5
  }, 10)
  context.after(() => clearInterval(flow))
  await e.event((event) => event.data === 'line 500', 'line 500')
  b.child.kill('SIGKILL')
  for (const node of [a, c]) {
    const down = await node.event((event) => event.event === 'neighbour-down' && event.peer === id, 'neighbour-down')
    assert.match(down.reason ?? '', /without a goodbye|connection was lost/)
  }
  const startedMs = performance.now()
  again(1)
  const ups = await Promise.all([a.up(id, startedMs), c.up(id, startedMs)])
  for (const up of ups) assert.ok(up.atMs - startedMs < SOON_MS, `${up.atMs - startedMs} ms`)
  for (const node of [a, c]) {
    for (const failed of node.events.filter((event) => event.event === 'dial-failed')) {
      assert.ok(failed.retryInMs! <= 5_000, `a try that failed waits for ${failed.retryInMs} ms`)
    }
  }
  const from = next
  await e.event((event) => event.data === `line ${from + 200}`, 'lines after the restart')
  clearInterval(flow)
  // What was under way when it died comes by repair, which may take longer than order is waited for.
  const lines = e.messages()
  assert.equal(new Set(lines).size, lines.length)
})

test('SIGTERM under load: exit 0 soon, and the neighbours see the goodbye', async (context) => {
  const { nodes } = await lineOfFive(context)
  const [a, b, c] = nodes as [Meshd, Meshd, Meshd]
  const id = await b.id()
  let next = 0
  const flow = setInterval(() => {
    a.say(numbered(next, next + 200))
    next += 200
  }, 5)
  context.after(() => clearInterval(flow))
  await c.event((event) => event.data === 'line 2000', 'line 2000')
  const askedMs = performance.now()
  b.child.kill('SIGTERM')
  const [end, ...downs] = await Promise.all([
    b.exited,
    ...[a, c].map((node) => node.event((e) => e.event === 'neighbour-down' && e.peer === id, 'neighbour-down')),
  ])
  assert.equal(end.code, 0)
  assert.ok(end.atMs - askedMs < SOON_MS, `${end.atMs - askedMs} ms`)
  for (const down of downs) assert.match(down.reason ?? '', /^goodbye 0 /)
  assert.equal(b.events.at(-1)?.event, 'stopped')
})

test('a node whose seed does not listen yet tells of each try, and joins soon after it does', async (context) => {
  const port = await freePort()
  const early = new Meshd(context, [
    '--no-mdns',
    '--ephemeral',
    '--listen',
    '127.0.0.1:0',
    '--seed',
    `127.0.0.1:${port}`,
  ])
  const failed = await early.event((e) => e.event === 'dial-failed', 'dial-failed')
  assert.match(failed.reason ?? '', /connection refused/)
  assert.equal(typeof failed.retryInMs, 'number')
  assert.match(failed.address ?? '', new RegExp(`/tcp/${port}`))
  const seed = new Meshd(context, ['--no-mdns', '--ephemeral', '--listen', `127.0.0.1:${port}`])
  const id = await seed.id()
  const listeningMs = performance.now()
  const up = await early.up(id)
  assert.ok(up.atMs - listeningMs < SOON_MS, `${up.atMs - listeningMs} ms`)
})
