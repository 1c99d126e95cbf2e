import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { EMPTY, utf8 } from '../../lib/bytes.ts'
import { type DirectMessage, Handlers } from '../../lib/direct/handlers.ts'

const quiet = { answeredLater: () => {}, warn: () => {} }
const requestOf = (topic: string, data: Uint8Array = EMPTY): DirectMessage => ({
  from: 'peer',
  topic,
  data,
  id: 'peer/1/0',
})
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('an answer that is there at once is given at once, a later one is announced', async () => {
  let later = 0
  const handlers = new Handlers({ ...quiet, answeredLater: () => later++ })
  handlers.onRequest('now', () => utf8('now'))
  handlers.onRequest('later', async () => 'later')
  const answers: string[] = []
  const note = (trouble: string, payload: Uint8Array): void => void answers.push(`${trouble}:${Buffer.from(payload)}`)
  handlers.run(requestOf('now'), note)
  assert.deepEqual(answers, [':now'])
  handlers.run(requestOf('later'), note)
  handlers.run(requestOf('nothing'), note)
  assert.equal(handlers.running, 1)
  await settled()
  assert.deepEqual(answers, [':now', 'no-handler:', ':later'])
  assert.deepEqual([later, handlers.running], [1, 0])
})

test('a promise of another make that fails is a warning, as any other', async () => {
  const warnings: string[] = []
  const handlers = new Handlers({ ...quiet, warn: (_code, text) => warnings.push(text) })
  handlers.onMessage('inbox', runInNewContext('async () => { throw new Error("of another realm") }'))
  handlers.deliver(requestOf('inbox'))
  await settled()
  assert.deepEqual(warnings, ['the handler of direct messages on inbox threw: Error: of another realm'])
})

test('requests under way are bounded in count and bytes, and make room when they end', async () => {
  const handlers = new Handlers(quiet, { countMax: 2, bytesMax: 10 })
  let finish = (): void => {}
  handlers.onRequest('slow', () => new Promise((resolve) => (finish = () => resolve(''))))
  assert.equal(handlers.isFull(10), false)
  assert.equal(handlers.isFull(11), true)
  handlers.run(requestOf('slow', new Uint8Array(6)), () => {})
  assert.deepEqual([handlers.isFull(4), handlers.isFull(5)], [false, true])
  handlers.run(requestOf('slow'), () => {})
  assert.equal(handlers.isFull(0), true)
  finish()
  await settled()
  assert.equal(handlers.isFull(4), false)
})

test('a reply is copied: what the handler does with its bytes afterwards changes nothing', () => {
  const handlers = new Handlers(quiet)
  const bytes = utf8('before')
  handlers.onRequest('bytes', () => bytes)
  let payload = EMPTY
  handlers.run(requestOf('bytes'), (_, given) => {
    payload = given
  })
  bytes.fill(0)
  assert.equal(Buffer.from(payload).toString(), 'before')
})

test('after close nothing is answered', async () => {
  const handlers = new Handlers(quiet)
  let answers = 0
  handlers.onRequest('late', async () => 'late')
  handlers.run(requestOf('late'), () => answers++)
  handlers.close()
  await settled()
  assert.equal(answers, 0)
})
