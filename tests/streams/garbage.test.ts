// After a stream has closed nothing of its link refers to it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { Pair, turn } from './pair.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Lives through a stream and keeps nothing of it. */
async function live(pair: Pair, end: (near: MeshStream, far: MeshStream) => void): Promise<WeakRef<MeshStream>[]> {
  const { near, far } = await pair.open()
  for (const stream of [near, far]) stream.resume()
  near.write(Buffer.alloc(300_000))
  end(near, far)
  await pair.until(() => near.closed && far.closed)
  await pair.settle()
  return [new WeakRef(near), new WeakRef(far)]
}

for (const [how, end] of [
  [
    'in good order',
    (near: MeshStream, far: MeshStream) => {
      near.end()
      far.end()
    },
  ],
  ['by a reset', (near: MeshStream) => void near.destroy()],
] as const) {
  test(`a stream that has closed ${how} is garbage`, async () => {
    const pair = new Pair()
    const references = await live(pair, end)
    // Node's own next ticks and promises let go in the turns after.
    for (let i = 0; i < 5; i++) await turn()
    collectGarbage()
    await turn()
    assert.deepEqual(
      references.map((reference) => reference.deref()?.id),
      [undefined, undefined],
    )
    assert.equal(pair.dialer.streams.count, 0)
  })
}
