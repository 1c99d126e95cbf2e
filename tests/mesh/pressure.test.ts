// Neighbours that read slowly or not at all, and programs that publish faster than anyone reads.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LINK_QUEUE_BYTES_MAX } from '../../lib/limits.ts'
import { BEHIND_BYTES } from '../../lib/store/disk-writer.ts'
import { MemoryDisk } from '../virtual/database.ts'
import { VirtualMesh, type VirtualNode } from '../virtual/mesh.ts'

const PAYLOAD = new Uint8Array(10_000)

async function star(): Promise<[VirtualMesh, VirtualNode, VirtualNode, VirtualNode]> {
  const mesh = new VirtualMesh()
  const [hub, slow, fast] = (await mesh.graph(3, [
    [0, 1],
    [0, 2],
  ])) as [VirtualNode, VirtualNode, VirtualNode]
  // What each tells of itself takes numbers too.
  await mesh.time.run(1_500)
  return [mesh, hub, slow, fast]
}

/** The node's process stands still: its kernel takes bytes until the window is full, its program reads none. */
function freeze(node: VirtualNode): void {
  for (const socket of node.host.sockets) socket.freeze()
}

test('a publisher is held by its fastest neighbour and not by its slowest, which loses only what did not fit its queue', async () => {
  const [mesh, hub, slow, fast] = await star()
  freeze(slow)
  const count = 1_000
  const sinceMs = mesh.time.nowMs
  let queuedMax = 0
  for (let i = 0; i < count; i++) {
    await mesh.time.of(hub.mesh.publish('chat', PAYLOAD))
    if (i % 5 === 4) await mesh.time.run(1)
    queuedMax = Math.max(queuedMax, hub.mesh.stats().links.queuedBytes)
  }
  await mesh.time.run(1_000)
  assert.equal(fast.messages.length, count)
  assert.ok(mesh.time.nowMs - sinceMs < 10_000, `${mesh.time.nowMs - sinceMs} ms`)
  assert.ok(queuedMax <= LINK_QUEUE_BYTES_MAX + 2 * 1_048_576, `${queuedMax} bytes`)
  assert.ok(hub.mesh.stats().links.bundlesDropped > 0)
  const late = await mesh.time.of(hub.mesh.publish('chat', 'x'))
  await mesh.time.run(10)
  assert.deepEqual(Object.fromEntries(late.neighbours.map(({ peer, outcome }) => [peer, outcome])), {
    [slow.mesh.id]: 'dropped',
    [fast.mesh.id]: 'queued',
  })
  await mesh.stop(hub, fast)
})

test('a neighbour that stops reading is cut off after 30 s, and the others notice nothing', async () => {
  const [mesh, hub, slow, fast] = await star()
  freeze(slow)
  const sinceMs = mesh.time.nowMs
  let sent = 0
  while (hub.hasNeighbour(slow) && mesh.time.nowMs - sinceMs < 60_000) {
    await mesh.time.of(hub.mesh.publish('chat', PAYLOAD))
    sent++
    await mesh.time.run(20)
  }
  const [down] = hub.of('neighbourDown')
  assert.equal(down!.peer, slow.mesh.id)
  assert.match(down!.reason, /took no bytes for 30 s/)
  const heldMs = down!.atMs - sinceMs
  assert.ok(heldMs >= 30_000 && heldMs <= 33_000, `${heldMs} ms`)
  assert.equal(hub.mesh.stats().closed['peer-stuck'], 1)
  assert.equal(hub.mesh.stats().links.queuedBytes, 0)
  await mesh.time.run(100)
  assert.equal(fast.messages.length, sent)
  assert.deepEqual(fast.of('neighbourDown'), [])
  await mesh.stop(hub, fast)
})

test('a node whose disk is slow goes on reading a little, so that nobody takes it for stuck', async () => {
  const mesh = new VirtualMesh()
  const disk = new MemoryDisk()
  const slow = await mesh.started(1, { dataDir: '/data' }, { disk })
  const others = [await mesh.started(2), await mesh.started(3)]
  for (const other of others) await mesh.join(other, slow)
  disk.commitMs = 15_000
  const ended = new AbortController()
  for (const { mesh: publisher } of others) {
    void (async () => {
      while (!ended.signal.aborted) {
        await publisher.publish('bulk', new Uint8Array(500_000), { signal: ended.signal })
        await new Promise<void>((resolve) => slow.world.clock.timer(20, resolve))
      }
    })().catch(() => {})
  }
  let pendingMax = 0
  for (let i = 0; i < 90; i++) {
    await mesh.time.run(1_000)
    pendingMax = Math.max(pendingMax, slow.mesh.stats().store.pendingBytes)
  }
  ended.abort()
  for (const { mesh: node } of [slow, ...others]) assert.deepEqual(node.stats().closed, {})
  assert.ok(pendingMax > BEHIND_BYTES, 'it was behind')
  assert.ok(pendingMax < BEHIND_BYTES + 12 * 1_048_576, `${pendingMax} bytes`)
  assert.equal(slow.mesh.stats().store.notSaved, 0)
  disk.commitMs = 1
  await mesh.time.run(120_000)
  await mesh.stop()
})

test('a neighbour that reads again after a pause is given what its queue could not hold, each message once', async () => {
  const [mesh, hub, slow] = await star()
  freeze(slow)
  for (let i = 0; i < 1_200; i++) {
    await mesh.time.of(hub.mesh.publish('chat', PAYLOAD))
    if (i % 5 === 4) await mesh.time.run(1)
  }
  await mesh.time.run(5_000)
  assert.ok(hub.mesh.stats().links.bundlesDropped > 0)
  for (const socket of slow.host.sockets) socket.thaw()
  await mesh.time.run(1_000)
  await mesh.time.of(hub.mesh.publish('chat', 'after'))
  await mesh.time.run(5_000)
  assert.deepEqual(hub.of('neighbourDown'), [])
  const numbers = slow.messages.map(({ sequence }) => sequence).sort((a, b) => a - b)
  assert.equal(numbers.length, 1_201)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => numbers[0]! + i),
  )
  await mesh.stop()
})

test('a program that publishes without waiting is refused before memory runs out, and nothing accepted is lost', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  const accepted: number[] = []
  const refused: string[] = []
  const all = Array.from({ length: 4_000 }, async (_, i) => {
    try {
      await a.mesh.publish('chat', PAYLOAD)
      accepted.push(i)
    } catch (error) {
      refused.push((error as { code: string }).code)
    }
  })
  const queuedBytes = a.mesh.stats().links.queuedBytes
  await mesh.time.of(Promise.all(all))
  await mesh.time.run(1_000)
  assert.ok(queuedBytes < 2 * 1_048_576, `${queuedBytes} bytes`)
  assert.ok(refused.length > 1_000, `${refused.length} refused`)
  assert.deepEqual([...new Set(refused)], ['too-large'])
  assert.equal(b.messages.length, accepted.length)
  assert.equal(a.mesh.stats().links.bundlesDropped, 0)
  await mesh.stop()
})

test('a publication that waits can be aborted, and those that wait when the node stops are refused', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  freeze(b)
  for (let i = 0; i < 100; i++) {
    void a.mesh.publish('chat', PAYLOAD).catch(() => {})
    if (i % 10 === 9) await mesh.time.run(20)
  }
  const abort = new AbortController()
  const aborted = assert.rejects(a.mesh.publish('chat', PAYLOAD, { signal: abort.signal }), { code: 'aborted' })
  const refused = assert.rejects(a.mesh.publish('chat', PAYLOAD), { code: 'not-running' })
  await mesh.time.run(100)
  abort.abort()
  await mesh.time.of(aborted)
  await mesh.stop(a)
  await mesh.time.of(refused)
})

test('those who wait go on when the neighbour that held them is lost', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = (await mesh.graph(2, [[0, 1]])) as [VirtualNode, VirtualNode]
  freeze(b)
  for (let i = 0; i < 100; i++) {
    void a.mesh.publish('chat', PAYLOAD)
    if (i % 10 === 9) await mesh.time.run(20)
  }
  const waiting = a.mesh.publish('chat', PAYLOAD)
  mesh.network.reset(a.ip, b.ip)
  const receipt = await mesh.time.of(waiting)
  assert.deepEqual(receipt.neighbours, [])
  mesh.kill(b)
  await mesh.stop(a)
})
