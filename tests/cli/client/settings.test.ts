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

test('a folder on the command line counts before a socket in the environment, and a socket before a folder beside it', () => {
  assert.equal(path({ 'data-dir': 'd' }, { MESHD_API: '/run/x.sock' }), '/work/d/api.sock')
  assert.equal(path({}, { MESHD_API: '/run/x.sock', MESHD_DATA_DIR: '/d' }), '/run/x.sock')
  assert.equal(path({ api: '/x.sock', 'data-dir': 'd' }), '/x.sock')
})

test('a command inside a command finds the same node by what is set for it', () => {
  const outer = [
    [{ 'data-dir': 'd' }, { MESHD_API: '/run/x.sock', MESHD_EPHEMERAL: '1' }],
    [{ api: 'x.sock', ephemeral: true }, { MESHD_DATA_DIR: '/d' }],
    [{}, {}],
    [{}, { MESHD_DATA_DIR: '/d' }],
  ] as const
  for (const [given, environment] of outer) {
    const { place, nodeEnvironment } = clientSettingsOf(given, machine(environment))
    const inner = Object.entries({ ...environment, ...nodeEnvironment }).filter(([, value]) => value !== undefined)
    const found = clientSettingsOf({}, machine(Object.fromEntries(inner) as Record<string, string>))
    assert.equal(found.place.path, place.path)
  }
})

/** The settings that this page is about, without those of other commands. */
function own(settings: ClientSettings): Record<string, unknown> {
  const { json, timeoutMs, count, confirm, retain, ttlS, since, durable, order, exec, execParallel, text } = settings
  return { json, timeoutMs, count, confirm, retain, ttlS, since, durable, order, exec, execParallel, text }
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
    text: null,
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
  const more = { order: 'origin', exec: 'cat', 'exec-parallel': '8', text: '' }
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
    text: '',
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
