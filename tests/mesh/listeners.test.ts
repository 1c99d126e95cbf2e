// Event listeners of the program that embeds us.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualMesh } from '../virtual/mesh.ts'

test('a listener that throws becomes a warning, and the link comes up all the same', async () => {
  const mesh = new VirtualMesh()
  const [one, two] = [await mesh.started(1), await mesh.started(2)]
  const warnings: string[] = []
  one.hear('chat')
  one.mesh.on('neighbourUp', () => {
    throw new Error('no liking for neighbours')
  })
  one.mesh.on('warning', ({ code, text }) => warnings.push(`${code}: ${text}`))
  await mesh.join(two, one)
  await mesh.join(two, one)
  assert.deepEqual(warnings, ['handler-failed: a listener of neighbourUp threw: no liking for neighbours'])
  await mesh.time.of(two.mesh.publish('chat', 'hello'))
  await mesh.time.run(100)
  assert.deepEqual(
    one.messages.map((message) => message.text()),
    ['hello'],
  )
  await mesh.stop()
})
