// Checks of what comes in, on whole nodes: what a node does not accept ends there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckVerdict } from '../../lib/index.ts'
import { lineOf, VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

type Three = [VirtualNode, VirtualNode, VirtualNode]

/** Three nodes in a line. */
async function line(mesh: VirtualMesh): Promise<Three> {
  const nodes = (await mesh.graph(3, lineOf(3))) as Three
  await mesh.time.run(2_000)
  return nodes
}

async function publish(mesh: VirtualMesh, node: VirtualNode, topic: string, ...texts: string[]): Promise<void> {
  // Each in a bundle of its own.
  for (const text of texts) {
    await mesh.time.of(node.mesh.publish(topic, text))
    await mesh.time.run(10)
  }
}

test('a time back has what came within it, also behind one that a check held back for long', async () => {
  for (const options of [{}, { dataDir: '/data' }]) {
    const mesh = new VirtualMesh()
    const [a, b, c] = [await mesh.started(1, options), await mesh.started(2), await mesh.started(3)]
    await mesh.join(a, b)
    await mesh.join(a, c)
    await mesh.time.run(20_000)
    const later = (): Promise<CheckVerdict> =>
      new Promise((resolve) => void a.world.clock.timer(4_000, () => resolve('accept')))
    a.mesh.validate('slow', later)
    await mesh.time.of(b.mesh.publish('slow', 'slow'))
    await mesh.time.run(3_000)
    await mesh.time.of(c.mesh.publish('fast', 'fast'))
    await mesh.time.run(7_000)
    const heard: string[] = []
    a.mesh.subscribe('+', (message) => heard.push(message.text()), { since: '9s' })
    await mesh.time.run(2_000)
    assert.deepEqual(heard, ['fast'])
    await mesh.stop()
  }
})

test('what a node in the middle does not accept goes no further, and repair does not bring it back', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = await line(mesh)
  b.mesh.validate('orders/#', (message) => message.text() as CheckVerdict)
  await publish(mesh, a, 'orders/1', 'accept', 'ignore', 'reject', 'accept')
  await publish(mesh, a, 'other', 'reject')
  await mesh.time.run(60_000)
  for (const node of [b, c]) assert.deepEqual(node.texts, ['accept', 'accept', 'reject'])
  const { checked, ignored } = b.mesh.stats().bundles
  assert.deepEqual(checked, { accept: 2, ignore: 1, reject: 1, overdue: 0 })
  assert.deepEqual(Object.values(ignored), [0, 0, 0, 0, 0, 0])
  assert.equal(b.mesh.stats().repair.requests, 0)
  assert.deepEqual(c.mesh.stats().bundles.checked, { accept: 0, ignore: 0, reject: 0, overdue: 0 })
  await mesh.stop()
})

test('own messages are not checked, and a check that is taken back checks no more', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = await line(mesh)
  let asked = 0
  const takeBack = b.mesh.validate('#', () => {
    asked++
    return 'ignore'
  })
  await publish(mesh, b, 'chat', 'own')
  assert.deepEqual([asked, a.texts], [0, ['own']])
  await publish(mesh, a, 'chat', 'one')
  takeBack()
  await publish(mesh, a, 'chat', 'two')
  assert.deepEqual([asked, b.texts], [1, ['two']])
  assert.throws(() => b.mesh.validate('$mesh/node', () => 'reject'), { code: 'bad-topic' })
  await mesh.stop()
})

test('a promised verdict is waited for, in order, and not for longer than the check allows', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = await line(mesh)
  const verdict = (text: string): Promise<CheckVerdict> =>
    new Promise((resolve) => mesh.time.after(Number(text), () => resolve('accept')))
  b.mesh.validate('chat', (message) => verdict(message.text()), { timeoutMs: 2_000 })
  await publish(mesh, a, 'chat', '1900', '500', '2001', '1000')
  await mesh.time.run(1_000)
  assert.deepEqual(c.texts, [])
  await mesh.time.run(5_000)
  assert.deepEqual(b.texts, ['1900', '500', '1000'])
  assert.deepEqual(c.texts, ['1900', '500', '1000'])
  assert.deepEqual(b.mesh.stats().bundles.checked, { accept: 3, ignore: 0, reject: 0, overdue: 1 })
  await mesh.stop()
})

test('what came by repair, and retained values, are checked as well', async () => {
  const mesh = new VirtualMesh()
  const a = await mesh.started(1)
  await mesh.time.of(a.mesh.publish('state', 'reject', { retain: true }))
  await publish(mesh, a, 'state', 'accept', 'ignore')
  const b = (await mesh.started(2)).hear()
  b.mesh.validate('state', (message) => message.text() as CheckVerdict)
  const stored: string[] = []
  b.mesh.subscribe('state', (message) => stored.push(message.text()), { since: 'stored' })
  await mesh.join(a, b)
  await mesh.time.run(10_000)
  assert.deepEqual(stored, ['accept'])
  assert.deepEqual(b.mesh.stats().bundles.checked, { accept: 1, ignore: 1, reject: 1, overdue: 0 })
  await mesh.stop()
})

test('a neighbour is banned for a hundred of its own messages that are rejected, not for those it passes on or that are ignored', async () => {
  const mesh = new VirtualMesh()
  const [a, b, c] = await line(mesh)
  b.mesh.validate('rejected', () => 'reject')
  c.mesh.validate('#', () => 'reject')
  b.mesh.validate('ignored', () => 'ignore')
  const texts = Array.from({ length: 150 }, (_, i) => `${i}`)
  await publish(mesh, a, 'fine', ...texts)
  await publish(mesh, a, 'ignored', ...texts)
  assert.deepEqual(c.mesh.stats().bundles.checked.reject, 150)
  assert.ok(b.hasNeighbour(c) && b.hasNeighbour(a))
  await publish(mesh, a, 'rejected', ...texts.slice(0, 99))
  assert.ok(b.hasNeighbour(a))
  await publish(mesh, a, 'rejected', 'last')
  assert.ok(!b.hasNeighbour(a) && b.hasNeighbour(c))
  assert.deepEqual(
    b.of('warning').map(({ code }) => code),
    ['bad-share', 'bad-share', 'neighbour-banned'],
  )
  await mesh.stop()
})

test('stopping drops what waits for a verdict and leaves nothing behind', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = await line(mesh)
  let accept = (_verdict: CheckVerdict): void => {}
  b.mesh.validate('chat', () => new Promise<CheckVerdict>((resolve) => (accept = resolve)))
  await publish(mesh, a, 'chat', 'x')
  await mesh.stop(b)
  accept('accept')
  await mesh.time.run(10_000)
  assert.deepEqual(b.texts, [])
  assert.deepEqual(b.leftovers, { timers: 0, sockets: 0, listeners: 0 })
  await mesh.stop()
})

test('a check that throws warns, and lets nothing through', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = await line(mesh)
  b.mesh.validate('chat', () => {
    throw new Error('broken')
  })
  await publish(mesh, a, 'chat', 'x')
  const warnings = b.of('warning').map(({ code, text }) => `${code}: ${text}`)
  assert.deepEqual(warnings, ['handler-failed: the check of chat threw: broken'])
  assert.deepEqual(b.texts, [])
  await mesh.stop()
})
