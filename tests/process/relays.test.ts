// Six processes in a line, A to F: a question crosses four relays and comes back answered, and none of them can read either.
// The relays are real nodes that write down all that reaches them (recording-relay.ts); A and F are the program itself.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FrameType } from '../../lib/framing/frames.ts'
import { publicKeyOfPeerId } from '../../lib/identity/peer-id.ts'
import { folder, meshd, Program } from '../cli/program.ts'
import { childScript } from '../tools/child-script.ts'
import { freePort } from './meshd.ts'

const RELAY = childScript(fileURLToPath(new URL('./recording-relay.ts', import.meta.url)))
const STAY_A_LINE = ['--no-mdns', '--degree', '0']

interface Started {
  readonly program: Program
  readonly id: string
}

async function listening(program: Program): Promise<Started> {
  const [, id] = await program.sees(/"listening","id":"(\w+)"/)
  return { program, id: id! }
}

interface Line {
  readonly a: Started & { readonly dataDir: string }
  readonly f: Started & { readonly dataDir: string }
  /** Peer ids of B to E. */
  readonly relays: readonly string[]
  /** What each of B to E has written down. */
  recorded(): readonly Buffer[]
}

/** Each is seeded with its left neighbour, and looks for no other. */
async function line(context: TestContext): Promise<Line> {
  const dir = folder(context)
  const files = ['b', 'c', 'd', 'e'].map((name) => join(dir, name))
  const ports = await Promise.all(Array.from({ length: 6 }, freePort))
  const at = (index: number): string => `127.0.0.1:${ports[index]}`
  const node = (name: string, ...more: string[]): Program =>
    meshd(context, ['--json', ...STAY_A_LINE, '--data-dir', join(dir, name), '--name', name, ...more])
  const relay = (file: string, i: number): Program =>
    new Program(context, process.execPath, [RELAY, file, at(i + 1), at(i)])
  const nodes = await Promise.all([
    listening(node('alice', '--listen', at(0))),
    ...files.map((file, i) => listening(relay(file, i))),
    listening(node('frank', '--listen', at(5), '--seed', at(4))),
  ])
  const [a, f] = [nodes[0]!, nodes[5]!]
  for (const [i, one] of nodes.entries()) {
    for (const other of [nodes[i - 1], nodes[i + 1]]) {
      if (other !== undefined) await one.program.sees(new RegExp(`"neighbour-up","peer":"${other.id}"`))
    }
  }
  return {
    a: { ...a, dataDir: join(dir, 'alice') },
    f: { ...f, dataDir: join(dir, 'frank') },
    relays: nodes.slice(1, 5).map(({ id }) => id),
    recorded: () => files.map((file) => readFileSync(file)),
  }
}

/** The frames that a relay has written down. */
function framesOf(recorded: Buffer): { type: number; body: Buffer }[] {
  const frames: { type: number; body: Buffer }[] = []
  for (let at = 0; at + 5 <= recorded.length; ) {
    const end = at + 5 + recorded.readUInt32BE(at + 1)
    frames.push({ type: recorded[at]!, body: recorded.subarray(at + 5, end) })
    at = end
  }
  return frames
}

function holds(body: Buffer, key: Uint8Array): boolean {
  return body.includes(Buffer.from(key))
}

test('a question is answered over four relays that can read neither, and fails in time once its node is killed', async (t) => {
  const { a, f, relays, recorded } = await line(t)
  const [topic, question, answer] = ['rendezvous/tonight', 'where do we meet, Frank?', 'AT THE OLD MILL']
  const request = (text: string, ...more: string[]): Program =>
    meshd(t, ['request', f.id, topic, text, '--data-dir', a.dataDir, ...more])

  const exec = `test "$(cat)" = '${question}' && printf '%s' '${answer}'`
  const replier = meshd(t, ['reply', topic, '--exec', exec, '--json', '--data-dir', f.dataDir])
  await replier.sees(/"replying"/)
  const asked = request(question)
  assert.deepEqual([await asked.exit, asked.out, asked.err], [0, answer, ''])

  // What is meant for everybody can be read on the way: so the records hold what a relay sees.
  const [openTopic, openText] = ['town/square', 'for everybody to read']
  const reader = meshd(t, ['sub', openTopic, '--json', '--count', '1', '--data-dir', f.dataDir])
  await reader.sees(/"subscribed"/)
  const published = meshd(t, ['pub', openTopic, openText, '--data-dir', a.dataDir])
  assert.equal(await published.exit, 0)
  assert.equal(await reader.exit, 0)
  assert.match(reader.out, /"hops":5/)

  const [from, to] = [publicKeyOfPeerId(a.id), publicKeyOfPeerId(f.id)]
  for (const [i, record] of recorded().entries()) {
    const frames = framesOf(record)
    const bodies = Buffer.concat(frames.map(({ body }) => body))
    const ofBoth = frames.filter(({ type, body }) => type === FrameType.direct && holds(body, from) && holds(body, to))
    assert.ok(ofBoth.length >= 2, `${relays[i]} passed on ${ofBoth.length} envelopes between them`)
    assert.ok(bodies.includes(openTopic) && bodies.includes(openText), `${relays[i]} sees what is open`)
    for (const text of [topic, 'rendezvous', question, answer]) {
      for (const all of [record, bodies]) assert.equal(all.includes(text), false, `${relays[i]} sees ${text}`)
    }
  }

  f.program.child.kill('SIGKILL')
  await f.program.exit
  assert.equal(await replier.exit, 3)
  const late = request(question, '--timeout', '2s')
  assert.equal(await late.exit, 4)
  assert.equal(late.out, '')
  // The node's own wait and that of its local API end in the same moment; either may tell.
  assert.match(late.err, /^meshd: (no answer came within 2000 ms|\w+: nothing came back in time)\n$/)
})
