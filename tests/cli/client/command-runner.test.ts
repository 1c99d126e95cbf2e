import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CommandRunner, type RunnerMessage } from '../../../cli/client/command-runner.ts'
import { temporaryFolder } from '../api/fake-api.ts'

const message = (sequence: number): RunnerMessage => {
  return { topic: 't', from: 'f', id: `f/1/${sequence}`, sequence, hops: 1, replayed: false, data: new Uint8Array(0) }
}
const stopping = new AbortController().signal
const failed = (): void => undefined
const environment = {}
const capture = null

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 100_000) assert.fail('it did not come')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('no more commands run at once than are allowed, and whoever brings more waits', async (t) => {
  const folder = temporaryFolder(t)
  const go = join(folder, 'go')
  const command = `touch '${folder}'/$MESHD_SEQUENCE; while [ ! -e '${go}' ]; do sleep 0.02; done`
  const runner = new CommandRunner({ command, parallel: 2, retries: false, stopping, environment, capture, failed })
  const done: number[] = []
  const take = (sequence: number): Promise<void> => runner.take(message(sequence), () => void done.push(sequence))
  await take(0)
  await take(1)
  let isTaken = false
  const third = take(2).then(() => {
    isTaken = true
  })
  await until(() => existsSync(join(folder, '0')) && existsSync(join(folder, '1')))
  assert.equal(isTaken, false)
  assert.equal(existsSync(join(folder, '2')), false)
  writeFileSync(go, '')
  await third
  await runner.finish()
  assert.deepEqual(done.sort(), [0, 1, 2])
})

test('a command that is ended by a signal has failed, and says so', async () => {
  const told: unknown[] = []
  const runner = new CommandRunner({
    command: 'kill -KILL $$',
    parallel: 1,
    retries: false,
    stopping,
    environment,
    capture,
    failed: (_message, { failure }, retryInMs) => void told.push([failure, retryInMs]),
  })
  await runner.take(message(0), () => assert.fail('it did not succeed'))
  await runner.finish()
  assert.deepEqual(told, [['it was ended by SIGKILL', null]])
  assert.equal(runner.failures, 1)
})

test('once it is to stop, nothing new is begun and a retry is not waited for', async () => {
  const stop = new AbortController()
  const runner = new CommandRunner({
    command: 'exit 1',
    parallel: 1,
    retries: true,
    stopping: stop.signal,
    environment,
    capture,
    failed: (_message, _end, retryInMs) => {
      assert.equal(retryInMs, 1_000)
      stop.abort()
    },
  })
  await runner.take(message(0), () => assert.fail('it did not succeed'))
  await runner.finish()
  await runner.take(message(1), () => assert.fail('it was begun'))
  await runner.finish()
  assert.equal(runner.failures, 0)
})
