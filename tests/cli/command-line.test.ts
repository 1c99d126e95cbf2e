import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLine } from '../../cli/command-line.ts'
import { EXIT, exitCodeOf, Failure, failureLine, UsageError } from '../../cli/failures.ts'
import { MeshError } from '../../lib/errors.ts'

async function given(...args: string[]): Promise<unknown> {
  const line = await parseLine(args, '1.2.3')
  assert.ok(line.kind === 'run', 'it shows something instead of running')
  return { command: line.command, ...line.given }
}

test('without a command the node runs', async () => {
  assert.deepEqual(await given(), { command: 'run' })
  assert.deepEqual(await given('run'), { command: 'run' })
  assert.deepEqual(await given('id'), { command: 'id' })
})

test('flags may stand before and after the command', async () => {
  assert.deepEqual(await given('--json', 'id', '--name', '007'), { command: 'id', json: true, name: '007' })
})

test('flags that can be given many times keep their order, one value each', async () => {
  assert.deepEqual(await given('--listen', 'a:1', '--seed', 's', '--listen=b:2'), {
    command: 'run',
    listen: ['a:1', 'b:2'],
    seed: ['s'],
  })
})

test('values stay text', async () => {
  assert.deepEqual(await given('--topic', '0x10', '--name', '1e3', '--network-key', '-'), {
    command: 'run',
    topic: '0x10',
    name: '1e3',
    'network-key': '-',
  })
})

test('booleans can be said in each usual way', async () => {
  for (const yes of ['--mdns', '--mdns=1', '--mdns=true'])
    assert.deepEqual(await given(yes), { command: 'run', mdns: true })
  for (const no of ['--no-mdns', '--mdns=0', '--mdns=false']) {
    assert.deepEqual(await given(no), { command: 'run', mdns: false })
  }
})

test('words behind a command are its own, whatever they look like', async () => {
  const words = async (...args: string[]): Promise<unknown> => {
    const line = await parseLine(args, '1.2.3')
    assert.ok(line.kind === 'run')
    return [line.command, ...line.words]
  }
  assert.deepEqual(await words('status'), ['status'])
  assert.deepEqual(await words('pub', 't'), ['pub', 't'])
  assert.deepEqual(await words('pub', 't', '007'), ['pub', 't', '007'])
  assert.deepEqual(await words('pub', 't', ''), ['pub', 't', ''])
  assert.deepEqual(await words('pub', 't', '-5'), ['pub', 't', '-5'])
  assert.deepEqual(await words('pub', '--retain', 't', 'x'), ['pub', 't', 'x'])
  assert.deepEqual(await words('pub', '--', 't', '--json'), ['pub', 't', '--json'])
  assert.deepEqual(await words('pub', 't', '--', '--json=maybe'), ['pub', 't', '--json=maybe'])
  assert.deepEqual(await words('request', 'peer', 'topic', 'data'), ['request', 'peer', 'topic', 'data'])
})

test('help of a command shows its words, its meaning, its own flags and an example', async () => {
  const line = await parseLine(['sub', '--help'], '1.2.3')
  assert.ok(line.kind === 'show')
  for (const part of ['meshd sub PATTERN', 'Print what arrives', '--exec-parallel', '--since', 'meshd sub logs']) {
    assert.ok(line.text.includes(part), part)
  }
  assert.ok(!line.text.includes('--quiet'))
  const all = await parseLine(['--help'], '1.2.3')
  assert.ok(all.kind === 'show' && all.text.includes('TOPIC [DATA]: Publish'))
})

const WRONG: readonly [args: string[], says: RegExp][] = [
  [['--mdsn'], /unknown flag --mdsn; did you mean --mdns\?/],
  [['--loglevel', 'info'], /unknown flag --loglevel; did you mean --log-level\?/],
  [['--dataDir', 'x'], /unknown flag --dataDir; did you mean --data-dir\?/],
  [['--weather', 'x'], /unknown flag --weather; meshd run --help lists them/],
  [['-x'], /unknown flag -x; /],
  [['rum'], /unknown command "rum"; did you mean run\?/],
  [['publish'], /unknown command "publish"; known are run, id/],
  [['pub'], /meshd pub needs TOPIC: meshd pub TOPIC \[DATA\]/],
  [['send', 'alice'], /meshd send needs TOPIC: /],
  [['request'], /meshd request needs PEER and TOPIC: /],
  [['pub', 't', 'two', 'words'], /meshd pub takes no "words"; .* stands in quotes/],
  [['status', 'all'], /meshd status takes no "all"; /],
  [['ping', 'alice', '--exec', 'x'], /meshd ping has no flag --exec; /],
  [['pub', 't', '--ttl', '5', '--retian'], /unknown flag --retian; did you mean --retain\?/],
  [['run', 'fast'], /meshd run takes no "fast"; /],
  [['run', '--', 'fast'], /meshd run takes no "fast"; /],
  [['--listen', 'a', 'b'], /unknown command "b"; /],
  [['id', '--topic', 'x'], /meshd id has no flag --topic; /],
  [['--topic'], /--topic needs a value; /],
  [['--topic', '--json'], /--topic needs a value; /],
  [['--no-topic'], /--no-topic makes no sense; --topic takes a value/],
  [['--mdns=maybe'], /--mdns is "maybe"; say --mdns or --no-mdns/],
  [['--json', '--nmae', 'x'], /did you mean --name\?/],
]

for (const [args, says] of WRONG) {
  test(`\`meshd ${args.join(' ')}\` is wrong usage`, async () => {
    await assert.rejects(parseLine(args, '1.2.3'), (error: Error) => {
      assert.ok(error instanceof UsageError)
      assert.match(error.message, says)
      return true
    })
  })
}

test('the version is shown', async () => {
  assert.deepEqual(await parseLine(['--version'], '1.2.3'), { kind: 'show', text: '1.2.3' })
})

test('help shows the flags of its command, with examples, in the width of the terminal', async () => {
  const run = await parseLine(['--help'], '1.2.3', 80)
  assert.ok(run.kind === 'show')
  assert.match(run.text, /--network-key/)
  assert.match(run.text, /Examples:\n {2}meshd /)
  assert.ok(run.text.split('\n').every((line) => line.length <= 80))
  const id = await parseLine(['id', '--help'], '1.2.3')
  assert.ok(id.kind === 'show')
  assert.doesNotMatch(id.text, /--topic/)
  assert.match(id.text, /Examples:\n {2}meshd id /)
})

test('a failure is one line for people or one object for programs', () => {
  const error = new MeshError('listen-failed', 'port 6374 is \x1b[31mtaken; say --listen :0')
  assert.equal(failureLine(error, false), 'meshd: port 6374 is \\x1b[31mtaken; say --listen :0\n')
  assert.deepEqual(JSON.parse(failureLine(error, true)), {
    error: { code: 'listen-failed', text: 'port 6374 is \\x1b[31mtaken; say --listen :0' },
  })
  assert.equal(JSON.parse(failureLine(new UsageError('a; b'), true)).error.code, 'usage')
  assert.equal(JSON.parse(failureLine('thrown text', true)).error.code, 'failed')
})

test('wrong usage exits with 2, everything else that fails with 1', () => {
  assert.equal(exitCodeOf(new UsageError('a; b')), EXIT.wrongUsage)
  assert.equal(exitCodeOf(new Failure('no-identity', 'a; b')), EXIT.failed)
  assert.equal(exitCodeOf(new MeshError('listen-failed', 'a')), EXIT.failed)
  assert.equal(exitCodeOf(new Error('a')), EXIT.failed)
})
