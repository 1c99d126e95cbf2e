// `meshd cp` as a user starts it: real processes over loopback, killed in the middle. Few, since each start costs half a second.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../process/meshd.ts'
import { folder, meshd, type Program } from '../program.ts'
import { noise } from './transfer.ts'

const SIZE = 64 * 2 ** 20
const DEADLINE_MS = 60_000

class Nodes {
  readonly dir: string
  readonly inbox: string
  readonly #context: TestContext
  readonly #port: number
  alice!: Program
  bob!: Program

  constructor(context: TestContext, port: number) {
    this.#context = context
    this.#port = port
    this.dir = folder(context)
    this.inbox = join(this.dir, 'inbox')
  }

  /** Receives. */
  async startAlice(): Promise<void> {
    const args = ['--listen', `127.0.0.1:${this.#port}`, '--accept-files', this.inbox, '--name', 'alice']
    this.alice = meshd(this.#context, [...this.#common('alice'), ...args])
    await this.alice.sees(/"listening"/)
  }

  /** Sends. */
  async startBob(): Promise<void> {
    const args = ['--listen', '127.0.0.1:0', '--seed', `127.0.0.1:${this.#port}`, '--name', 'bob']
    this.bob = meshd(this.#context, [...this.#common('bob'), ...args])
    await this.bob.sees(/"node-up".*"alice"/)
  }

  cp(...args: string[]): Program {
    return meshd(this.#context, ['cp', ...args, '--json', '--data-dir', join(this.dir, 'bob')])
  }

  /** Resolves when so many bytes lie in the receiver's partial file. */
  async has(bytes: number): Promise<void> {
    const corner = join(this.inbox, '.meshd-partial')
    for (const lateAtMs = performance.now() + DEADLINE_MS; performance.now() < lateAtMs; ) {
      const partial = readdirSync(corner).find((name) => name.endsWith('.part'))
      if (partial !== undefined && statSync(join(corner, partial)).size >= bytes) return
      await sleep(2)
    }
    assert.fail(`${bytes} bytes did not come; bob: ${this.bob.err}; alice: ${this.alice.err}`)
  }

  #common(name: string): string[] {
    return ['--json', '--no-mdns', '--data-dir', join(this.dir, name)]
  }
}

const eventsOf = (cp: Program): { event: string; from?: number; sha256?: string; name?: string }[] =>
  cp.out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

test('a file of 64 MiB arrives whole although both nodes and the command itself are killed on the way', async (t) => {
  const nodes = new Nodes(t, await freePort())
  const file = join(nodes.dir, 'film.mkv')
  const bytes = noise(SIZE)
  writeFileSync(file, bytes)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  await nodes.startAlice()
  await nodes.startBob()

  const stopped = nodes.cp(file, 'alice')
  await nodes.has(SIZE / 16)
  stopped.child.kill('SIGKILL')
  await stopped.exit

  const cp = nodes.cp(file, 'alice')
  await cp.sees(/"started"/)
  await nodes.has(SIZE / 4)
  nodes.alice.child.kill('SIGKILL')
  await nodes.alice.exit
  await nodes.startAlice()
  await cp.sees(/("started"[\s\S]*){2}/)
  await nodes.has(SIZE / 2)
  nodes.bob.child.kill('SIGKILL')
  await nodes.bob.exit
  await nodes.startBob()

  assert.equal(await cp.exit, 0, cp.err)
  const events = eventsOf(cp)
  const froms = events.filter(({ event }) => event === 'started').map(({ from }) => from!)
  assert.ok(froms.length >= 3, cp.out)
  assert.ok(froms[0]! >= SIZE / 16 && froms[1]! >= SIZE / 4 && froms.at(-1)! >= SIZE / 2, froms.join())
  assert.ok(events.some(({ event }) => event === 'retry'))
  assert.deepEqual([events.at(-1)!.event, events.at(-1)!.sha256], ['done', sha256])
  assert.equal(
    createHash('sha256')
      .update(readFileSync(join(nodes.inbox, 'film.mkv')))
      .digest('hex'),
    sha256,
  )
  const [, path] = await nodes.alice.sees(/"file-received".*"path":"([^"]+)","bytes":67108864/)
  assert.equal(path, join(nodes.inbox, 'film.mkv'))

  const again = nodes.cp(file, 'alice')
  assert.equal(await again.exit, 0, again.err)
  assert.equal(eventsOf(again)[0]!.from, SIZE)

  // What cannot work is told at once.
  const wrong = nodes.cp(file, 'carol')
  const backwards = meshd(t, ['cp', file, 'bob', '--data-dir', join(nodes.dir, 'alice')])
  const none = meshd(t, ['cp', file, 'alice', '--data-dir', join(nodes.dir, 'nowhere')])
  assert.deepEqual(await Promise.all([wrong.exit, backwards.exit, none.exit]), [1, 1, 3])
  assert.match(backwards.err, /bob takes no files; it must run with --accept-files DIR/)
})
