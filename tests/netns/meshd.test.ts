// The program on a local network of its own: nodes in namespaces on one bridge find each other without a seed.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Meshd } from '../process/meshd.ts'
import { createNamespaces, type Namespace, skipWithoutNamespaces } from './namespaces.ts'

const skip = skipWithoutNamespaces()

function startIn(context: TestContext, namespace: Namespace, ...args: string[]): Meshd {
  return new Meshd(context, ['--ephemeral', ...args], (file, parameters, options) =>
    namespace.spawn(file, parameters, options),
  )
}

test('two nodes on one bridge are neighbours within 3 s without a seed; one of another network is not dialled', {
  skip,
  timeout: 60_000,
}, async (context) => {
  using network = createNamespaces(3)
  const [one, two, three] = network.all as [Namespace, Namespace, Namespace]
  const stranger = startIn(context, three, '--network', 'other')
  const strange = await stranger.id()
  const a = startIn(context, one)
  const b = startIn(context, two)
  const [idA, idB] = await Promise.all([a.id(), b.id()])
  const startedMs = performance.now()
  const ups = await Promise.all([a.up(idB), b.up(idA)])
  for (const up of ups) assert.ok(up.atMs - startedMs < 3_000, `${up.atMs - startedMs} ms`)
  a.say('hello\n')
  await b.event((event) => event.event === 'message' && event.data === 'hello', 'message')
  for (const node of [a, b]) {
    assert.deepEqual(
      node.events.filter((event) => event.event === 'dial-failed' || event.event === 'warning'),
      [],
    )
    assert.ok(!node.events.some((event) => event.peer === strange))
  }
  assert.ok(!stranger.events.some((event) => event.event === 'neighbour-up'))
})
