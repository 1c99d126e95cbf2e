import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Confirming, UNCONFIRMED_MAX } from '../../cli/confirming.ts'
import { MeshError } from '../../lib/errors.ts'
import type { Receipt } from '../../lib/types.ts'

class Post {
  readonly stopping = new AbortController()
  readonly confirming = new Confirming(this.stopping.signal)
  readonly open: { confirm: () => void; fail: (error: Error) => void }[] = []

  expect(): Promise<void> {
    const receipt: Receipt = {
      id: 'x',
      neighbours: [],
      confirmed: (count) => {
        assert.equal(count, 1)
        return new Promise((resolve, reject) => this.open.push({ confirm: () => resolve(['a']), fail: reject }))
      },
    }
    return this.confirming.expect(receipt)
  }
}

const never = new Promise<void>(() => undefined)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('it is done when every message is confirmed, in whatever order', async () => {
  const post = new Post()
  for (let i = 0; i < 3; i++) await post.expect()
  let done = false
  const finishing = post.confirming.finish(never).then(() => {
    done = true
  })
  for (const i of [2, 0]) post.open[i]!.confirm()
  await turn()
  assert.deepEqual([done, post.confirming.unconfirmed], [false, 1])
  post.open[1]!.confirm()
  await finishing
  assert.deepEqual([post.confirming.total, post.confirming.unconfirmed], [3, 0])
})

test('nothing said is nothing to wait for', async () => {
  await new Post().confirming.finish(never)
})

test('what will never be confirmed is not waited for, and counts', async () => {
  const post = new Post()
  await post.expect()
  await post.expect()
  post.open[0]!.fail(new MeshError('identity-in-use', 'elsewhere'))
  post.open[1]!.confirm()
  await post.confirming.finish(never)
  assert.equal(post.confirming.unconfirmed, 1)
})

test('it waits no longer than it may', async () => {
  const post = new Post()
  await post.expect()
  await post.confirming.finish(turn())
  assert.equal(post.confirming.unconfirmed, 1)
})

test('reading waits while too many are unconfirmed', async () => {
  const post = new Post()
  for (let i = 1; i < UNCONFIRMED_MAX; i++) await post.expect()
  let taken = false
  const last = post.expect().then(() => {
    taken = true
  })
  await turn()
  assert.equal(taken, false)
  post.open[5]!.confirm()
  await last
})
