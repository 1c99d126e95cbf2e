import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClientSettings, clientSettingsOf } from '../../../cli/client/settings.ts'
import { UsageError } from '../../../cli/failures.ts'
import type { Machine } from '../../../cli/sources.ts'

function machine(environment: Record<string, string> = {}): Machine {
  return { environment, platform: 'linux', hostName: 'tin', workingFolder: '/work', homeFolder: () => '/home/me' }
}

const path = (given: Record<string, unknown>, environment: Record<string, string> = {}): string =>
  clientSettingsOf(given, machine(environment)).place.path

test('the node is found by the settings that it was started with', () => {
  assert.equal(path({}), '/home/me/.local/share/meshd/api.sock')
  assert.equal(path({ 'data-dir': 'd' }), '/work/d/api.sock')
  assert.equal(path({}, { MESHD_DATA_DIR: '/d' }), '/d/api.sock')
  assert.equal(path({ api: 'x.sock' }, { MESHD_DATA_DIR: '/d' }), '/work/x.sock')
  assert.equal(path({ ephemeral: true }, { MESHD_API: '/run/x.sock' }), '/run/x.sock')
  assert.throws(() => path({ ephemeral: true }), { name: 'Error', message: /give both it and this command --api PATH/ })
})

/** The settings that this page is about, without those of other commands. */
function own(settings: ClientSettings): Record<string, unknown> {
  const { json, timeoutMs, count, confirm, retain, ttlS, since, durable, order, exec, execParallel } = settings
  return { json, timeoutMs, count, confirm, retain, ttlS, since, durable, order, exec, execParallel }
}

test('what is to be done stands on the command line alone', () => {
  const environment = { MESHD_COUNT: '1', MESHD_EXEC: 'rm', MESHD_SINCE: '1h', MESHD_DURABLE: 'x', MESHD_TIMEOUT: '1s' }
  assert.deepEqual(own(clientSettingsOf({}, machine(environment))), {
    json: false,
    timeoutMs: null,
    count: null,
    confirm: null,
    retain: false,
    ttlS: null,
    since: null,
    durable: null,
    order: null,
    exec: null,
    execParallel: 1,
  })
  const given = {
    json: true,
    timeout: '2m',
    count: '3',
    confirm: '2',
    retain: true,
    ttl: '1h',
    since: '1d',
    durable: 'd',
  }
  const more = { order: 'origin', exec: 'cat', 'exec-parallel': '8' }
  assert.deepEqual(own(clientSettingsOf({ ...given, ...more }, machine())), {
    json: true,
    timeoutMs: 120_000,
    count: 3,
    confirm: 2,
    retain: true,
    ttlS: 3_600,
    since: '1d',
    durable: 'd',
    order: 'origin',
    exec: 'cat',
    execParallel: 8,
  })
})

const WRONG: readonly (readonly [given: Record<string, unknown>, says: RegExp])[] = [
  [{ timeout: '5' }, /--timeout is "5"; it must be a duration such as 90s/],
  [{ timeout: '25d' }, /at most 24d/],
  [{ ttl: '8d' }, /--ttl is "8d"; .* at most 7d/],
  [{ count: '0' }, /--count is "0"; it must be a whole number from 1/],
  [{ count: ['1', '2'] }, /--count was given more than once/],
  [{ confirm: 'all' }, /--confirm is "all"/],
  [{ order: 'best' }, /it must be arrival or origin/],
  [{ 'exec-parallel': '2' }, /--exec-parallel is for --exec/],
  [{ exec: 'x', 'exec-parallel': '257' }, /from 1 to 256/],
  [{ exec: ' ' }, /--exec is empty/],
  [{ api: '' }, /--api is empty/],
]

test('values that cannot be are refused, and the error says what would be right', () => {
  for (const [given, says] of WRONG) {
    assert.throws(
      () => clientSettingsOf(given, machine()),
      (error: unknown) => error instanceof UsageError && says.test(error.message),
      JSON.stringify(given),
    )
  }
})
