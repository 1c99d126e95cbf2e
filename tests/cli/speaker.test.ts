import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Speaker } from '../../cli/speaker.ts'
import { MeshError } from '../../lib/errors.ts'
import { FakeMesh } from './fake-node.ts'

function speaker(): { speaker: Speaker; mesh: FakeMesh; warnings: string[]; stopping: AbortController } {
  const mesh = new FakeMesh({})
  const warnings: string[] = []
  const stopping = new AbortController()
  const warn = (code: string, text: string): void => void warnings.push(`${code}: ${text}`)
  return { speaker: new Speaker({ mesh, stopping: stopping.signal, warn }), mesh, warnings, stopping }
}

test('a silence is told once, and once more when it ends', async () => {
  const { speaker: one, mesh, warnings } = speaker()
  await one.say('t', 'heard')
  mesh.outcomes = []
  for (let i = 0; i < 5; i++) await one.say('t', 'unheard')
  assert.deepEqual(
    warnings.map((text) => text.split(':')[0]),
    ['no-neighbours'],
  )
  mesh.outcomes = ['dropped', 'queued']
  await one.say('t', 'heard')
  await one.say('t', 'heard')
  assert.match(warnings[1]!, /^neighbours-again: 5 messages reached nobody/)
  mesh.outcomes = ['dropped']
  await one.say('t', 'unheard')
  assert.equal(warnings.length, 3)
  assert.equal(mesh.published.length, 9)
})

test('a node that stops takes nothing more, and that is no error', async () => {
  const { speaker: one, mesh, stopping } = speaker()
  mesh.publishError = new MeshError('aborted', 'publish was aborted')
  await assert.rejects(one.say('t', 'x'), /aborted/)
  let open = (): void => undefined
  mesh.gate = new Promise((resolve) => {
    open = resolve
  })
  const waiting = one.say('t', 'x').catch((error) => error)
  stopping.abort(mesh.publishError)
  open()
  assert.equal(await waiting, false)
  assert.equal(await one.say('t', 'x'), false)
})

test('what the node refuses is the caller’s to tell', async () => {
  const { speaker: one, mesh } = speaker()
  mesh.publishError = new MeshError('bad-topic', 'no')
  await assert.rejects(one.say('t', 'x'), { code: 'bad-topic' })
})
