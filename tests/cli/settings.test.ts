import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { UsageError } from '../../cli/failures.ts'
import { configNameOf, environmentNameOf, FLAGS } from '../../cli/flags.ts'
import { CRYPTO_PROVIDERS, type Settings, settingsOf } from '../../cli/settings.ts'
import type { Machine } from '../../cli/sources.ts'
import { choosePrimitives } from '../../lib/crypto/choose.ts'

function machine(changes: Partial<Machine> = {}): Machine {
  return {
    environment: {},
    platform: 'linux',
    hostName: 'tin',
    workingFolder: '/work',
    homeFolder: () => '/home/me',
    ...changes,
  }
}

function withEnvironment(environment: Record<string, string>, given: Record<string, unknown> = {}): Settings {
  return settingsOf(given, machine({ environment }))
}

/** Runs `use` with the path of a config file that holds `content`. */
function withConfig(content: unknown, use: (path: string, folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-settings-'))
  const path = join(folder, 'meshd.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  try {
    use(path, folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function refuses(run: () => unknown, says: RegExp): void {
  assert.throws(run, (error: Error) => {
    assert.ok(error instanceof UsageError, String(error))
    assert.match(error.message, says)
    return true
  })
}

test('the choice of cryptography is one that the library takes', () => {
  for (const name of ['', ...CRYPTO_PROVIDERS]) {
    withEnvironment({ MESHD_CRYPTO: name })
    choosePrimitives(name)
  }
  refuses(() => withEnvironment({ MESHD_CRYPTO: 'openssl' }), /^MESHD_CRYPTO is "openssl"; it must be noble .*native /)
  assert.throws(() => choosePrimitives('openssl'))
})

test('HTTP on the port of the mesh needs one', () => {
  withConfig({ listen: [] }, (config) => {
    refuses(
      () => settingsOf({ config, http: 'same' }, machine()),
      /^--http same needs .*"listen" in .* has none; give /,
    )
    assert.deepEqual(settingsOf({ config, http: 'same', listen: [':0'] }, machine()).http, { kind: 'same' })
    assert.equal(settingsOf({ config, http: '9100' }, machine()).http?.kind, 'own')
  })
  assert.deepEqual(settingsOf({ http: 'same' }, machine()).http, { kind: 'same' })
})

test('without anything said, the defaults hold', () => {
  assert.deepEqual(settingsOf({}, machine()), {
    listen: ['[::]:6374'],
    seeds: [],
    network: 'default',
    networkKeyFile: null,
    name: 'tin',
    dataDir: '/home/me/.local/share/meshd',
    api: null,
    mdns: true,
    topic: 'chat',
    subscribe: [],
    since: null,
    durable: null,
    order: 'arrival',
    exitAfterInput: false,
    confirmTimeoutMs: 30_000,
    storeBytesMax: null,
    storeAgeMsMax: null,
    degree: null,
    flood: null,
    acceptFiles: null,
    acceptFilesBytesMax: 1_073_741_824,
    http: null,
    json: false,
    logLevel: 'info',
  })
})

test('every setting can come from the command line, the environment and a config file, and the first wins', () => {
  const values: readonly [
    name: string,
    field: keyof Settings,
    values: [unknown, string, unknown],
    results: unknown[],
  ][] = [
    ['listen', 'listen', [[':1'], ':2,:22', [':3']], [[':1'], [':2', ':22'], [':3']]],
    ['seed', 'seeds', [['a:1'], 'b:2, c:3', 'd:4'], [['a:1'], ['b:2', 'c:3'], ['d:4']]],
    ['network', 'network', ['f', 'e', 'c'], ['f', 'e', 'c']],
    ['network-key', 'networkKeyFile', ['-', '/e', '/c'], ['-', '/e', '/c']],
    ['name', 'name', ['f', 'e', 'c'], ['f', 'e', 'c']],
    ['data-dir', 'dataDir', ['/f', '/e', '/c'], ['/f', '/e', '/c']],
    ['ephemeral', 'dataDir', [true, '1', true], [null, null, null]],
    ['api', 'api', ['/f', '/e', '/c'], ['/f', '/e', '/c']],
    ['mdns', 'mdns', [false, 'true', false], [false, true, false]],
    ['topic', 'topic', ['f', 'e', 'c'], ['f', 'e', 'c']],
    ['subscribe', 'subscribe', [['f/#'], 'e/+,#', ['c']], [['f/#'], ['e/+', '#'], ['c']]],
    ['since', 'since', ['10m', 'stored', 'retained'], ['10m', 'stored', 'retained']],
    ['durable', 'durable', ['f', 'e', 'c'], ['f', 'e', 'c']],
    ['order', 'order', ['origin', 'arrival', 'origin'], ['origin', 'arrival', 'origin']],
    ['exit-after-input', 'exitAfterInput', [true, '0', true], [true, false, true]],
    ['confirm-timeout', 'confirmTimeoutMs', ['1s', '2m', '3h'], [1_000, 120_000, 10_800_000]],
    ['store-size', 'storeBytesMax', ['1K', '64M', '1G'], [1_024, 67_108_864, 1_073_741_824]],
    ['store-age', 'storeAgeMsMax', ['1s', '2m', '30d'], [1_000, 120_000, 2_592_000_000]],
    ['degree', 'degree', ['0', '3', 64], [0, 3, 64]],
    ['flood', 'flood', ['eager', 'adaptive', 'eager'], ['eager', 'adaptive', 'eager']],
    ['accept-files', 'acceptFiles', ['/f', '/e', '/c'], ['/f', '/e', '/c']],
    ['accept-files-max', 'acceptFilesBytesMax', ['1K', '2T', '0'], [1_024, 2 ** 41, 0]],
    [
      'http',
      'http',
      ['same', '9100', '[::]:80'],
      [{ kind: 'same' }, { kind: 'own', host: '127.0.0.1', port: 9100 }, { kind: 'own', host: '::', port: 80 }],
    ],
    ['json', 'json', [true, '0', true], [true, false, true]],
    ['log-level', 'logLevel', ['error', 'warn', 'debug'], ['error', 'warn', 'debug']],
    ['quiet', 'logLevel', [true, '0', true], ['error', 'info', 'error']],
  ]
  assert.deepEqual(
    values.map(([name]) => name).sort(),
    FLAGS.filter(({ lineOnly }) => !lineOnly)
      .map(({ name }) => name)
      .sort(),
  )
  for (const [
    name,
    field,
    [flagValue, environmentValue, configValue],
    [fromFlag, fromEnvironment, fromConfig],
  ] of values) {
    const flag = FLAGS.find((one) => one.name === name)!
    withConfig({ [configNameOf(flag)]: configValue }, (config) => {
      const environment = { [environmentNameOf(flag)]: environmentValue, MESHD_CONFIG: config }
      const only = { MESHD_CONFIG: config }
      assert.deepEqual(withEnvironment(environment, { [name]: flagValue })[field], fromFlag, `--${name}`)
      assert.deepEqual(withEnvironment(environment)[field], fromEnvironment, environmentNameOf(flag))
      assert.deepEqual(withEnvironment(only)[field], fromConfig, configNameOf(flag))
      assert.deepEqual(settingsOf({ config }, machine())[field], fromConfig, configNameOf(flag))
    })
  }
})

test('what is to be done this time stands in no config file and in no environment', () => {
  withConfig({ exec: 'rm' }, (config) => refuses(() => settingsOf({ config }, machine()), /unknown name "exec" in /))
  assert.deepEqual(withEnvironment({ MESHD_EXEC: 'rm', MESHD_COUNT: 'many' }), settingsOf({}, machine()))
})

test('an empty environment variable counts as not set', () => {
  assert.deepEqual(withEnvironment({ MESHD_LISTEN: '', MESHD_MDNS: '' }).listen, ['[::]:6374'])
  assert.deepEqual(withEnvironment({ MESHD_LISTEN: ' , ' }).listen, ['[::]:6374'])
})

test('an empty array in the config file is a value', () => {
  withConfig({ listen: [] }, (config) => assert.deepEqual(settingsOf({ config }, machine()).listen, []))
})

test('relative paths start at the working folder, those of a config file at its own', () => {
  assert.equal(settingsOf({ 'data-dir': 'd', 'network-key': 'k' }, machine()).dataDir, '/work/d')
  assert.equal(settingsOf({ 'network-key': 'k' }, machine()).networkKeyFile, '/work/k')
  withConfig({ dataDir: 'd', networkKey: './k' }, (config, folder) => {
    const settings = settingsOf({ config }, machine())
    assert.equal(settings.dataDir, join(folder, 'd'))
    assert.equal(settings.networkKeyFile, join(folder, 'k'))
  })
})

test('of a data folder and nothing kept, the one that was said nearer holds', () => {
  assert.equal(withEnvironment({ MESHD_EPHEMERAL: '1' }, { 'data-dir': '/d' }).dataDir, '/d')
  assert.equal(withEnvironment({ MESHD_DATA_DIR: '/d' }, { ephemeral: true }).dataDir, null)
  assert.equal(settingsOf({ ephemeral: false, 'data-dir': '/d' }, machine()).dataDir, '/d')
  refuses(
    () => settingsOf({ ephemeral: true, 'data-dir': '/d' }, machine()),
    /--data-dir and --ephemeral exclude each other/,
  )
})

test('quiet yields to a log level that was said nearer', () => {
  assert.equal(withEnvironment({ MESHD_QUIET: '1' }, { 'log-level': 'debug' }).logLevel, 'debug')
  assert.equal(withEnvironment({ MESHD_LOG_LEVEL: 'debug' }, { quiet: true }).logLevel, 'error')
  assert.equal(settingsOf({ quiet: true, 'log-level': 'debug' }, machine()).logLevel, 'error')
})

test('each platform has its data folder', () => {
  const folder = (changes: Partial<Machine>): string | null => settingsOf({}, machine(changes)).dataDir
  assert.equal(folder({ environment: { XDG_DATA_HOME: '/data' } }), '/data/meshd')
  assert.equal(folder({ environment: { XDG_DATA_HOME: 'relative' } }), '/home/me/.local/share/meshd')
  assert.equal(folder({ platform: 'darwin' }), '/home/me/Library/Application Support/meshd')
  assert.match(folder({ platform: 'win32', environment: { LOCALAPPDATA: '/local' } })!, /^\/local\/meshd$/)
})

test('an account without a home folder needs to say where to keep things', () => {
  const homeless = machine({
    homeFolder: () => {
      throw new Error('no such user')
    },
  })
  refuses(() => settingsOf({}, homeless), /no home folder; say --data-dir DIR, or --ephemeral/)
  assert.equal(settingsOf({ ephemeral: true }, homeless).dataDir, null)
})

test('a long host name is cut to 64 bytes without cutting a character', () => {
  assert.equal(settingsOf({}, machine({ hostName: 'ü'.repeat(40) })).name, 'ü'.repeat(32))
  assert.equal(settingsOf({}, machine({ hostName: `a${'ü'.repeat(40)}` })).name, `a${'ü'.repeat(31)}`)
  assert.equal(settingsOf({ name: 'x'.repeat(64) }, machine()).name, 'x'.repeat(64))
  refuses(() => settingsOf({ name: 'x'.repeat(65) }, machine()), /--name is 65 bytes long; it must be text of 0 to 64/)
})

const WRONG: readonly [given: Record<string, unknown>, environment: Record<string, string>, says: RegExp][] = [
  [{ listen: ['nowhere:99999'] }, {}, /^--listen is "nowhere:99999"; .*address/],
  [{}, { MESHD_SEED: 'a:1,b:x' }, /^MESHD_SEED is "b:x"; .*address/],
  [{ seed: ['a:0'] }, {}, /^--seed is "a:0"; /],
  [{ topic: 'a/#' }, {}, /^--topic is "a\/#"; a topic is/],
  [{ topic: '$mesh/node' }, {}, /^--topic is "\$mesh\/node"; .*belong/],
  [{ subscribe: ['a#'] }, {}, /^--subscribe is "a#"; /],
  [{ network: '' }, {}, /^--network is 0 bytes long/],
  [{ network: 'x'.repeat(256) }, {}, /^--network is 256 bytes long/],
  [{ 'data-dir': '' }, {}, /^--data-dir is empty/],
  [{}, { MESHD_MDNS: 'yes' }, /^MESHD_MDNS is "yes"; it must be 1, 0, true or false/],
  [{}, { MESHD_LOG_LEVEL: 'loud' }, /^MESHD_LOG_LEVEL is "loud"; it must be one of error, warn, info, debug/],
  [{ since: 'later' }, {}, /^--since is "later"; since must be a time back such as 90s/],
  [{}, { MESHD_DURABLE: 'x'.repeat(129) }, /^MESHD_DURABLE is "x+"; durable must be a name of 1 to 128 bytes/],
  [{ durable: 'x', ephemeral: true }, {}, /^--durable needs a data folder, and with --ephemeral there is none/],
  [{ order: 'time' }, {}, /^--order is "time"; it must be arrival or origin/],
  [{ 'confirm-timeout': '30' }, {}, /^--confirm-timeout is "30"; it must be a duration such as 30s or 5m/],
  [
    { 'confirm-timeout': '25d' },
    {},
    /^--confirm-timeout is "25d"; it must be a duration such as 30s or 5m, at most 24d$/,
  ],
  [{ 'store-size': '64MB' }, {}, /^--store-size is "64MB"; it must be a size such as 64M or 1G, at most 1T/],
  [{ 'store-size': '2T' }, {}, /^--store-size is "2T"; /],
  [{ 'store-age': '31d' }, {}, /^--store-age is "31d"; it must be a duration such as 10m or 24h, at most 30d/],
  [{ flood: 'lazy' }, {}, /^--flood is "lazy"; it must be adaptive or eager/],
  [{ degree: '65' }, {}, /^--degree is "65"; it must be a whole number from 0 to 64/],
  [{ 'accept-files': '' }, {}, /^--accept-files is empty; it must name a path/],
  [{ 'accept-files-max': '1GB' }, {}, /^--accept-files-max is "1GB"; it must be a size such as 64M or 1G/],
  [{}, { MESHD_HTTP: 'everywhere' }, /^MESHD_HTTP is "everywhere"; it must be PORT, HOST:PORT, .* or same/],
  [{ degree: '-1' }, {}, /^--degree is "-1"; /],
  [{ 'store-size': '0', since: '1h' }, {}, /^--since needs what --store-size 0 does not keep; leave one of them out/],
  [
    { 'exit-after-input': true },
    { MESHD_STORE_SIZE: '0' },
    /^--exit-after-input needs what MESHD_STORE_SIZE 0 does not/,
  ],
  [{ topic: ['a', 'b'] }, {}, /^--topic was given more than once; it takes one value/],
  [{ config: '/nowhere/meshd.json' }, {}, /^--config: cannot read \/nowhere\/meshd.json: there is no such file; /],
  [{}, { MESHD_CONFIG: '/nowhere/meshd.json' }, /^MESHD_CONFIG: cannot read /],
]

for (const [given, environment, says] of WRONG) {
  test(`${JSON.stringify({ ...given, ...environment }).slice(0, 60)} is refused with the place where it stands`, () => {
    refuses(() => withEnvironment(environment, given), says)
  })
}

const WRONG_FILES: readonly [content: unknown, says: RegExp][] = [
  ['{"listen":', /meshd\.json is not JSON: .*; it must hold one JSON object/],
  [[], /meshd\.json holds something else; /],
  [null, /meshd\.json holds something else; /],
  [{ lisen: [] }, /unknown name "lisen" in .*meshd\.json; known are listen, seed, network, networkKey, /],
  [{ 'data-dir': 'x' }, /unknown name "data-dir"/],
  [{ config: 'x' }, /unknown name "config"/],
  [{ listen: [1] }, /^"listen" in .*meshd\.json is of the wrong type; it must be an array of texts/],
  [{ mdns: 'true' }, /^"mdns" in .* must be true or false/],
  [{ topic: 5 }, /^"topic" in .* must be text/],
  [{ degree: '5' }, /^"degree" in .* must be a whole number/],
  [{ degree: 1.5 }, /^"degree" in .* is "1\.5"; it must be a whole number from 0 to 64/],
  [{ seed: ['x:y:z/'] }, /^"seed" in .* is "x:y:z\/"; /],
]

for (const [content, says] of WRONG_FILES) {
  test(`a config file with ${JSON.stringify(content)} is refused`, () => {
    withConfig(content, (config) => refuses(() => settingsOf({ config }, machine()), says))
  })
}
