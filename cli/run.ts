// `meshd run`: one node in the foreground, from the settings to the exit code. It chooses the way of talking (chat.ts,
// pipe.ts, json-events.ts), wires the node's events to it, and stops both in order. It interprets nothing itself.

import { setTimeout as sleep } from 'node:timers/promises'
import { TopicPattern } from '../lib/flood/topics.ts'
import { PAYLOAD_BYTES_MAX } from '../lib/limits.ts'
import type { MeshOptions } from '../lib/options.ts'
import type { Subscription } from '../lib/types.ts'
import { Chat } from './chat.ts'
import { codeOf, EXIT, Failure, failureLine, UsageError } from './failures.ts'
import { LineInput } from './input.ts'
import { JSON_LINE_BYTES_MAX, JsonEvents } from './json-events.ts'
import type { Host, MeshNode, Mode, Running } from './mode.ts'
import { readNetworkKeyFile, readNetworkKeyLine } from './network-key.ts'
import { Notices } from './notices.ts'
import { Output } from './output.ts'
import { Pipe } from './pipe.ts'
import type { Settings } from './settings.ts'
import { STOP_DEADLINE_MS, StopSignals } from './signals.ts'
import { Speaker } from './speaker.ts'

/** What standard error may owe to a reader that does not read; beyond, notices are dropped. */
const NOTICES_UNSENT_BYTES_MAX = 1_048_576
/** What comes through a pipe waits so long for the first link, where one may come: `echo hi | meshd`. */
const FIRST_LINK_WAIT_MS = 5_000
/** Standard output's reader left, or the terminal is gone: nobody is there to be told of it. */
const READER_LEFT: readonly string[] = ['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED']

/**
 * Runs a node until a signal, the user or the reader of standard output ends it. Resolves with the exit code. Rejects with
 * what kept the node from starting: UsageError, Failure or MeshError.
 */
export async function run(settings: Settings, host: Host): Promise<number> {
  const stopping = new AbortController()
  const stopped = new Promise<null>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(null), { once: true })
  })
  const stop = (): void => stopping.abort()
  const signals = new StopSignals({ signals: host.signals, stop, exit: (code) => host.exit(code) })
  let deadline: NodeJS.Timeout | undefined
  stopping.signal.addEventListener('abort', () => {
    deadline = setTimeout(() => {
      const late = new Failure('timed-out', `stopping took longer than ${STOP_DEADLINE_MS} ms; the node was cut off`)
      host.stderr.write(failureLine(late, settings.json))
      host.exit(EXIT.failed)
    }, STOP_DEADLINE_MS)
  })
  try {
    const input = new LineInput(
      host.stdin as AsyncIterable<Uint8Array>,
      settings.json ? JSON_LINE_BYTES_MAX : PAYLOAD_BYTES_MAX,
    )
    const options = await Promise.race([meshOptions(settings, host, input), stopped])
    if (options === null) return EXIT.done
    return await runNode({ settings, host, input, stopping, stopped, signals, mesh: host.makeMesh(options) })
  } finally {
    clearTimeout(deadline)
    signals.release()
  }
}

interface Parts {
  readonly settings: Settings
  readonly host: Host
  readonly input: LineInput
  readonly stopping: AbortController
  readonly stopped: Promise<unknown>
  readonly signals: StopSignals
  readonly mesh: MeshNode
}

async function runNode({ settings, host, input, stopping, stopped, signals, mesh }: Parts): Promise<number> {
  let exitCode: number = EXIT.done
  const failed = (): void => {
    exitCode = EXIT.failed
  }
  const isChat = !settings.json && host.stdin.isTTY === true && host.stdout.isTTY === true
  const notices = new Notices({
    level: settings.logLevel,
    nowMs: host.nowMs,
    print: (line) => (mode instanceof Chat ? mode.show(`* ${line}`) : printNotice(host, line)),
  })
  const output = new Output(host.stdout, {
    overflowed: (count) =>
      mode.warning('slow-output', `standard output is read too slowly: ${count} lines were not printed`),
    broken: (error) => {
      if (!READER_LEFT.includes(codeOf(error))) {
        host.stderr.write(
          failureLine(new Failure(codeOf(error), `standard output failed: ${error.message}`), settings.json),
        )
        failed()
      }
      stopping.abort()
    },
  })
  // Nobody is left to hear that standard error cannot be written.
  host.stderr.on('error', () => undefined)
  const speaker = new Speaker(mesh, stopping.signal, (code, text) => mode.warning(code, text))
  const running: Running = {
    settings,
    mesh,
    host,
    output,
    notices,
    stopping: stopping.signal,
    say: (topic, data) => speaker.say(topic, data),
    stop: () => stopping.abort(),
    interrupt: () => signals.received('SIGINT'),
    failed,
  }
  const mode: Mode = isChat
    ? new Chat(running)
    : settings.json
      ? new JsonEvents(running, input)
      : new Pipe(running, input)
  const subscriptions = wire(mesh, mode, settings)
  try {
    const neighbour = new Promise((resolve) => mesh.on('neighbourUp', resolve))
    await Promise.race([mesh.start(), stopped])
    if (!isChat && (settings.seeds.length > 0 || settings.mdns))
      await Promise.race([neighbour, stopped, delay(FIRST_LINK_WAIT_MS, stopping.signal)])
    if (!stopping.signal.aborted) mode.begin()
    await stopped
  } finally {
    for (const subscription of subscriptions) subscription.unsubscribe()
    mode.end()
    await mesh.stop()
  }
  mode.stopped()
  notices.flush()
  await Promise.all([output.flush(), written(host.stderr)])
  return exitCode
}

/** Throws UsageError, Failure `key-file` or MeshError `bad-key`. */
async function meshOptions(settings: Settings, host: Host, input: LineInput): Promise<MeshOptions> {
  const { networkKeyFile, network, listen, seeds, mdns, name } = settings
  let key: Uint8Array | undefined
  if (networkKeyFile === '-') {
    // A secret is not to be typed where it shows.
    if (host.stdin.isTTY)
      throw new UsageError('--network-key - reads a pipe, and this is a terminal; name a file with it')
    key = await readNetworkKeyLine(input)
  } else if (networkKeyFile !== null) {
    key = await readNetworkKeyFile(networkKeyFile, host.platform)
  }
  const dataDir = settings.dataDir ?? undefined
  return { network: { name: network, key }, listen, seeds, mdns, name, dataDir, agent: host.agent }
}

/** A message that several patterns match is printed once: by the first of them. */
function wire(mesh: MeshNode, mode: Mode, settings: Settings): Subscription[] {
  mesh.on('listening', (event) => mode.listening(event))
  mesh.on('neighbourUp', (event) => mode.neighbourUp(event))
  mesh.on('neighbourDown', (event) => mode.neighbourDown(event))
  mesh.on('dialFailed', (event) => mode.dialFailed(event))
  mesh.on('warning', ({ code, text }) => mode.warning(code, text))
  const patterns = [settings.topic, ...settings.subscribe].map((text) => new TopicPattern(text))
  return patterns.map((pattern, i) => {
    const before = patterns.slice(0, i)
    return mesh.subscribe(pattern.text, (message) => {
      if (!before.some((earlier) => earlier.matches(message.topic))) mode.message(message)
    })
  })
}

/** Resolves after so long, or at once when `signal` is aborted; does not keep the process alive. */
function delay(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal, ref: false }).catch(() => undefined)
}

function printNotice(host: Host, line: string): void {
  if (host.stderr.writableLength < NOTICES_UNSENT_BYTES_MAX) host.stderr.write(`meshd: ${line}\n`)
}

/** Resolves when all that stands in the stream's buffer has left, or cannot. */
function written(stream: Host['stderr']): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
