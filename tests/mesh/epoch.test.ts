// One identity in two places: a backup that was restored, a data folder that was copied, a program that runs twice.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'
import { MemoryFiles } from '../virtual/world.ts'

const epochOf = (id: string): number => Number(id.split('/')[1])

async function publish(mesh: VirtualMesh, node: VirtualNode, text: string): Promise<number> {
  const receipt = await mesh.time.of(node.mesh.publish('chat', text))
  await mesh.time.run(20)
  return epochOf(receipt.id)
}

test('a node whose backup was restored on a machine with a slow clock moves past what it meets, and is heard', async () => {
  const mesh = new VirtualMesh()
  const files = new MemoryFiles()
  const witness = (await mesh.started(2)).hear()
  const relay = (await mesh.started(3)).hear()
  await mesh.join(relay, witness)

  const first = await mesh.started(1, { dataDir: '/data' }, { files })
  const backup = files.backup()
  await mesh.join(first, witness)
  const firstEpoch = await publish(mesh, first, 'before')
  await mesh.stop(first)

  // The same key, an epoch of long ago, and a clock that is a day behind.
  const restored = mesh.node(1, { dataDir: '/data' }, { files: backup, run: 1 })
  restored.world.clock.unixAheadMs = -86_400_000
  await backup.writeAtomic('/data/epoch', new TextEncoder().encode('5\n'), 0o600)
  await mesh.start(restored)
  restored.hear()
  await mesh.join(restored, relay)
  // Its earlier run's messages come back to it by repair, and it numbers beyond them.
  await mesh.time.run(2_000)
  const movedEpoch = await publish(mesh, restored, 'moved')
  assert.ok(movedEpoch > firstEpoch, `${movedEpoch} after ${firstEpoch}`)
  assert.deepEqual(restored.of('warning'), [])
  assert.deepEqual(witness.texts, ['before', 'moved'])
  // Its own identity's messages are not its own subscriptions' business.
  assert.deepEqual(restored.texts, [])
  // Durable: the next run begins above.
  await mesh.stop(restored)
  const next = mesh.node(1, { dataDir: '/data' }, { files: backup, run: 3 })
  next.world.clock.unixAheadMs = -86_400_000
  await mesh.start(next)
  await mesh.join(next, relay)
  assert.ok((await publish(mesh, next, 'next run')) > movedEpoch)
  await mesh.stop()
})

test('an identity that runs twice moves on once, then stops publishing and says so', async () => {
  const mesh = new VirtualMesh()
  const hub = (await mesh.started(5)).hear()
  const one = await mesh.started(1, {}, { ip: '10.0.0.1' })
  const two = await mesh.started(1, {}, { ip: '10.0.0.2', run: 1 })
  const [left, right] = [(await mesh.started(6)).hear(), (await mesh.started(7)).hear()]
  await mesh.join(left, hub)
  await mesh.join(right, hub)
  await mesh.join(one, left)
  await mesh.join(two, right)
  assert.equal(one.mesh.id, two.mesh.id)

  let sent = 0
  for (let i = 0; i < 6; i++) {
    for (const node of [one, two]) {
      const ok = await mesh.time.of(
        node.mesh.publish('chat', `${node.ip} ${i}`).then(
          () => true,
          () => false,
        ),
      )
      if (ok) sent++
      await mesh.time.run(50)
    }
  }
  const stopped = [one, two].filter((node) => node.of('warning').some(({ code }) => code === 'identity-in-use'))
  assert.equal(stopped.length, 1)
  await assert.rejects(stopped[0]!.mesh.publish('chat', 'x'), { code: 'identity-in-use' })
  assert.equal(stopped[0]!.of('warning').length, 1)
  // Who stopped still relays and hears.
  assert.equal(stopped[0]!.neighbours.length, 1)
  // Everything that was accepted was delivered, once.
  assert.equal(hub.messages.length, sent)
  assert.equal(new Set(hub.messages.map(({ id }) => id)).size, sent)
  await mesh.stop()
})

test('a node that cannot save its new epoch stops publishing and says why', async () => {
  const mesh = new VirtualMesh()
  const files = new MemoryFiles()
  const hub = await mesh.started(5)
  const one = await mesh.started(1, { dataDir: '/data' }, { files, ip: '10.0.0.1' })
  const copy = files.backup()
  const two = await mesh.started(1, { dataDir: '/data' }, { files: copy, ip: '10.0.0.2', run: 1 })
  const other = await mesh.started(6)
  await mesh.join(other, hub)
  await mesh.join(one, hub)
  await mesh.join(two, other)
  files.isFull = true
  await publish(mesh, two, 'from the copy')
  assert.deepEqual(
    one.of('warning').map(({ code }) => code),
    ['data-folder'],
  )
  await assert.rejects(one.mesh.publish('chat', 'x'), { code: 'data-folder' })
  await mesh.stop()
  await mesh.time.settle()
  assert.equal(one.world.clock.timerCount, 0)
})

test('messages that wait while the epoch moves go out under the new one, and their receipts say so', async () => {
  const mesh = new VirtualMesh()
  const hub = (await mesh.started(5)).hear()
  const other = await mesh.started(6)
  const one = await mesh.started(1, {}, { ip: '10.0.0.1' })
  const two = await mesh.started(1, {}, { ip: '10.0.0.2', run: 1 })
  await mesh.join(other, hub)
  await mesh.join(one, hub)
  await mesh.join(two, other)
  two.world.clock.unixAheadMs = 0
  const first = await publish(mesh, one, 'first')
  const meeting = await publish(mesh, two, 'second')
  // Whichever of the two was behind has moved past the other by now, and neither lost a message.
  const receipts = await mesh.time.of(Promise.all([0, 1, 2].map((i) => one.mesh.publish('chat', `third ${i}`))))
  await mesh.time.run(50)
  assert.ok(epochOf(receipts[0]!.id) >= Math.max(first, meeting) || first > meeting)
  for (const receipt of receipts) assert.ok(hub.messages.some(({ id }) => id === receipt.id))
  await mesh.stop()
})
