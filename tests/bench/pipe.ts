// What a pipe between two nodes costs a user: `cat file | meshd pipe` beside a plain pipe over node:net in the same run, with
// SHA-256 compared at the far end. While meshd's runs, the link is pinged and carries a flood of 1,000 messages a second, of
// which none may be missing. Then a reader stops reading, and memory is looked at. Every part is a process of its own.
// `npm run build && node --import tsx tests/bench/pipe.ts 1024` (MiB). Not a test; needs cat, head and sha256sum.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MEBIBYTE = 1_048_576
const bytes = Number(process.argv[2] ?? 1_024) * MEBIBYTE
const FLOOD_PER_TICK = 20
const TICK_MS = 20
/** Ample for a program to have started and to listen. */
const LISTENS_MS = 2_000
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PLAIN_IN = `require('net').createServer((s) => s.pipe(process.stdout)).listen(0, '127.0.0.1', function () {
  console.error(this.address().port); this.once('connection', () => this.close()) })`
const PLAIN_OUT = `process.stdin.pipe(require('net').connect(+process.argv[1], '127.0.0.1'))`

const folder = mkdtempSync(join(tmpdir(), 'meshd-pipe-'))
/** The program as it is installed: the built JavaScript, beside no source. */
const installed = join(folder, 'meshd')
for (const part of ['cli/meshd.js', 'package.json', 'dist']) {
  cpSync(join(ROOT, part), join(installed, part), { recursive: true })
}
symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'))
const MESHD = join(installed, 'cli/meshd.js')
const children: ChildProcess[] = []

function start(command: string, input: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
  // A group of its own, so that its whole pipeline can be ended.
  const child = spawn('/bin/sh', ['-c', command], { stdio: [input, 'pipe', 'pipe'], detached: true })
  children.push(child)
  child.stdin?.on('error', () => undefined)
  return child
}

function meshd(name: string, ...args: readonly string[]): string {
  return `'${process.execPath}' '${MESHD}' ${args.join(' ')} --data-dir '${join(folder, name)}'`
}

async function line(child: ChildProcess, of: 'stdout' | 'stderr', pattern: RegExp): Promise<string> {
  let text = ''
  for await (const chunk of child[of]!.iterator({ destroyOnReturn: false })) {
    text += chunk
    const found = pattern.exec(text)
    if (found !== null) {
      child[of]!.resume()
      return found[1]!
    }
  }
  throw new Error(`it ended before ${pattern} came: ${text}`)
}

async function ended(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout!.on('data', (chunk) => {
    text += chunk
  })
  child.stderr!.on('data', (chunk) => process.stderr.write(chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`a part ended with ${code}`)
  return text
}

function rssMegabytes(pid: number): number {
  return Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_000
}

interface Ran {
  readonly megabytesPerSecond: number
  readonly sum: string
}

async function timed(file: string, receiver: ChildProcess, sender: string): Promise<Ran> {
  const sum = ended(receiver)
  const startMs = performance.now()
  start(`cat '${file}' | ${sender}`)
  const text = await sum
  return { megabytesPerSecond: bytes / 1_000 / (performance.now() - startMs), sum: text.slice(0, 64) }
}

async function plain(file: string): Promise<Ran> {
  const receiver = start(`'${process.execPath}' -e "${PLAIN_IN}" | sha256sum`)
  const port = await line(receiver, 'stderr', /(\d+)\n/)
  return timed(file, receiver, `'${process.execPath}' -e "${PLAIN_OUT}" ${port}`)
}

async function through(file: string, protocol: string): Promise<Ran> {
  const receiver = start(`${meshd('bob', 'pipe', '--listen', protocol)} | sha256sum`)
  await sleep(LISTENS_MS)
  return timed(file, receiver, meshd('alice', 'pipe', 'bob', protocol))
}

/** 1,000 messages a second from alice until `stop`; how many were sent. */
function flood(): { stop(): Promise<number> } {
  const publisher = start(meshd('alice', 'pub', 'load', '--confirm', '0'), 'pipe')
  publisher.stdout!.resume()
  publisher.stderr!.resume()
  let sent = 0
  const timer = setInterval(() => {
    let lines = ''
    for (let i = 0; i < FLOOD_PER_TICK; i++) lines += `${sent++} ${'x'.repeat(240)}\n`
    publisher.stdin!.write(lines)
  }, TICK_MS)
  return {
    async stop() {
      clearInterval(timer)
      publisher.stdin!.end()
      await once(publisher, 'close')
      return sent
    },
  }
}

try {
  const file = join(folder, 'file')
  await ended(start(`head -c ${bytes} /dev/urandom > '${file}'`))
  const real = (await ended(start(`sha256sum < '${file}'`))).slice(0, 64)

  const alice = start(
    `exec ${meshd('alice', 'run', '--json', '--name', 'alice', '--no-mdns', '--listen', '127.0.0.1:0')}`,
  )
  const address = await line(alice, 'stdout', /"addresses":\["([^"]+)"/)
  const bob = start(
    `exec ${meshd('bob', 'run', '--json', '--name', 'bob', '--no-mdns', '--listen', '127.0.0.1:0', '--seed', address)}`,
  )
  await line(bob, 'stdout', /("neighbour-up")/)
  bob.stdout!.resume()
  alice.stdout!.resume()

  const rates: { plain: number[]; meshd: number[]; loaded: number[] } = { plain: [], meshd: [], loaded: [] }
  for (let run = 0; run < 3; run++) {
    const [without, quiet] = [await plain(file), await through(file, `/quiet/${run}`)]
    const subscriber = start(meshd('bob', 'sub', 'load', '--json'))
    let received = 0
    const numbers = new Set<number>()
    let rest = ''
    subscriber.stdout!.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const text of lines) {
        const { event, data } = JSON.parse(text) as { event: string; data?: string }
        if (event !== 'message') continue
        received++
        numbers.add(Number.parseInt(data!, 10))
      }
    })
    await sleep(1_500)
    const load = flood()
    await sleep(1_000)
    const pings: number[] = []
    const pinger = start(meshd('alice', 'ping', 'bob', '--json', '--count', '1000'))
    pinger.stdout!.on('data', (chunk) => {
      for (const [, ms] of String(chunk).matchAll(/"timeMs":([\d.]+)/g)) pings.push(Number(ms))
    })
    pinger.stderr!.resume()
    await sleep(1_000)
    const loaded = await through(file, `/loaded/${run}`)
    process.kill(-pinger.pid!, 'SIGKILL')
    const sent = await load.stop()
    for (let i = 0; i < 100 && numbers.size < sent; i++) await sleep(50)
    process.kill(-subscriber.pid!, 'SIGKILL')
    for (const { sum } of [without, quiet, loaded])
      if (sum !== real) throw new Error(`SHA-256 differs: ${sum}, ${real}`)
    rates.plain.push(without.megabytesPerSecond)
    rates.meshd.push(quiet.megabytesPerSecond)
    rates.loaded.push(loaded.megabytesPerSecond)
    const f = (value: number): string => value.toFixed(0)
    console.log(
      `plain ${f(without.megabytesPerSecond)} MB/s, meshd ${f(quiet.megabytesPerSecond)}, meshd beside the flood`,
      `${f(loaded.megabytesPerSecond)}; flood: ${sent} sent, ${received} received, ${sent - numbers.size} missing;`,
      `pings ${pings.length}, slowest ${Math.max(...pings).toFixed(1)} ms; SHA-256 equal`,
    )
  }
  const middle = (values: number[]): number => values.toSorted((a, b) => a - b)[1]!
  console.log(
    `medians: meshd ${(middle(rates.meshd) / middle(rates.plain)).toFixed(2)} of plain,`,
    `beside the flood ${(middle(rates.loaded) / middle(rates.plain)).toFixed(2)}`,
  )

  // A reader that stops: nothing but the windows and pipes fills.
  const stalled = start(`${meshd('bob', 'pipe', '--listen', '/stalled')} | (sleep 8; cat > /dev/null)`)
  await sleep(LISTENS_MS)
  const before = [rssMegabytes(alice.pid!), rssMegabytes(bob.pid!)]
  const writer = start(`cat '${file}' | ${meshd('alice', 'pipe', 'bob', '/stalled')}`)
  await sleep(3_000)
  const held = [rssMegabytes(alice.pid!), rssMegabytes(bob.pid!)]
  await sleep(3_000)
  const later = [rssMegabytes(alice.pid!), rssMegabytes(bob.pid!)]
  const shown = (of: number[]): string => of.map((value) => value.toFixed(0)).join(' and ')
  console.log(
    `a reader that stops: MB of both nodes before ${shown(before)}, 3 s on ${shown(held)}, 6 s on ${shown(later)}`,
  )
  await Promise.all([once(stalled, 'close'), once(writer, 'close')])
  console.log('it read on, and all ended')
} finally {
  for (const { pid, exitCode, signalCode } of children) {
    if (exitCode === null && signalCode === null) {
      try {
        process.kill(-pid!, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
  }
  rmSync(folder, { recursive: true, force: true })
}
