import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Acknowledger } from '../../../cli/client/acknowledger.ts'
import type { JsonObject } from '../../../cli/client/node-client.ts'

test('what is done without a gap is told, many at once and one call at a time', async () => {
  const told: object[] = []
  let answer: () => void = () => undefined
  const client = {
    post: (_path: string, body: object): Promise<JsonObject> => {
      told.push(body)
      return new Promise((resolve) => {
        answer = () => resolve({})
      })
    },
  }
  const acknowledger = new Acknowledger(client, 's1')
  acknowledger.done(2)
  acknowledger.done(1)
  acknowledger.done(4)
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  assert.deepEqual(told, [{ subscription: 's1', through: 2 }])
  acknowledger.done(5)
  acknowledger.done(3)
  const flushed = acknowledger.flush()
  answer()
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  assert.deepEqual(told.slice(1), [{ subscription: 's1', through: 5 }])
  answer()
  await flushed
})

test('a call that failed is told when it is asked for, and no other follows', async () => {
  let calls = 0
  const client = {
    post: (): Promise<JsonObject> => {
      calls++
      return Promise.reject(new Error('gone'))
    },
  }
  const acknowledger = new Acknowledger(client, 's1')
  acknowledger.done(1)
  await assert.rejects(acknowledger.flush(), { message: 'gone' })
  acknowledger.done(2)
  await assert.rejects(acknowledger.flush(), { message: 'gone' })
  assert.equal(calls, 1)
})
