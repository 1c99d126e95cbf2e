// `meshd run`: one node in the foreground, from the settings to the exit code. It chooses the way of talking (chat.ts,
// pipe.ts, json-events.ts), wires the node's events to it, and stops both in order. It interprets nothing itself.

import { setTimeout as sleep } from 'node:timers/promises'
import { reasonOf } from '../lib/errors.ts'
import { PAYLOAD_BYTES_MAX } from '../lib/limits.ts'
import type { MeshOptions } from '../lib/options.ts'
import { LocalApi } from './api/local-api.ts'
import { apiPlaceOf } from './api/place.ts'
import { Chat } from './chat.ts'
import { Confirming } from './confirming.ts'
import { codeOf, EXIT, Failure, failureLine, hasReaderLeft, UsageError } from './failures.ts'
import { LineInput } from './input.ts'
import { JSON_LINE_BYTES_MAX, JsonEvents } from './json-events.ts'
import { listen, readsStore } from './listening.ts'
import { ListeningFirst, type Told } from './listening-first.ts'
import type { Host, MeshNode, Mode, Running } from './mode.ts'
import { readNetworkKeyFile, readNetworkKeyLine } from './network-key.ts'
import { Notices } from './notices.ts'
import { Output } from './output.ts'
import { Pipe } from './pipe.ts'
import { Services } from './services.ts'
import type { Settings } from './settings.ts'
import { STOP_DEADLINE_MS, StopSignals } from './signals.ts'
import { Speaker } from './speaker.ts'

/** What standard error may owe to a reader that does not read; beyond, notices are dropped. */
const NOTICES_UNSENT_BYTES_MAX = 1_048_576
/** What comes through a pipe waits so long for the first link, where one may come: `echo hi | meshd`. */
const FIRST_LINK_WAIT_MS = 5_000

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
  /** Standard input was read to its end, and there was time enough to confirm it. */
  let isAllSaid = false
  const failed = (): void => {
    exitCode = EXIT.failed
  }
  const isChat = !settings.json && host.stdin.isTTY === true && host.stdout.isTTY === true
  if (isChat && settings.exitAfterInput) {
    throw new UsageError('--exit-after-input is for input through a pipe or a file; a chat ends with /quit')
  }
  const notices = new Notices({
    level: settings.logLevel,
    nowMs: host.nowMs,
    print: (line) => (mode instanceof Chat ? mode.show(`* ${line}`) : printNotice(host, line)),
  })
  const output = new Output(host.stdout, {
    overflowed: (count) =>
      mode.warning('slow-output', `standard output is read too slowly: ${count} lines were not printed`),
    broken: (error) => {
      if (!hasReaderLeft(error, host.stdout.isTTY === true)) {
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
  const confirming = settings.exitAfterInput ? new Confirming(stopping.signal) : null
  const speaker = new Speaker({
    mesh,
    stopping: stopping.signal,
    warn: (code, text) => mode.warning(code, text),
    ...(confirming === null ? {} : { taken: (receipt) => confirming.expect(receipt) }),
  })
  const running: Running = {
    settings,
    mesh,
    host,
    output,
    notices,
    stopping: stopping.signal,
    readsStore: readsStore(settings),
    say: (topic, data, options) => speaker.say(topic, data, options),
    inputEnded: async () => {
      if (confirming === null) return
      await confirming.finish(delay(settings.confirmTimeoutMs, stopping.signal))
      if (stopping.signal.aborted) return
      isAllSaid = true
      if (confirming.unconfirmed > 0) exitCode = EXIT.timedOut
      stopping.abort()
    },
    stop: () => stopping.abort(),
    interrupt: () => signals.received('SIGINT'),
    failed,
  }
  const mode: Mode = isChat
    ? new Chat(running)
    : settings.json
      ? new JsonEvents(running, input)
      : new Pipe(running, input)
  const told = new ListeningFirst(mode)
  wire(mesh, told)
  const subscriptions = listen(mesh, settings, (message) => told.message(message))
  const api = localApi(settings, mesh, host, told)
  const services = new Services({ settings, mesh, host, mode: told })
  try {
    const neighbour = new Promise((resolve) => mesh.on('neighbourUp', resolve))
    await services.open()
    await Promise.race([mesh.start(), stopped])
    await api.opened()
    if (!stopping.signal.aborted) services.started()
    if (!isChat && (settings.seeds.length > 0 || settings.mdns))
      await Promise.race([neighbour, stopped, delay(FIRST_LINK_WAIT_MS, stopping.signal)])
    if (!stopping.signal.aborted) mode.begin()
    await stopped
  } finally {
    for (const subscription of subscriptions) subscription.unsubscribe()
    told.end()
    mode.end()
    await Promise.all([api.close(), services.close()])
    await mesh.stop()
  }
  if (confirming !== null) {
    const { unconfirmed, total } = confirming
    const text = `${unconfirmed} of ${total} messages were not confirmed by any neighbour`
    if (unconfirmed > 0) mode.warning('unconfirmed', text)
    if (!isAllSaid) failed()
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
  const options = { network: { name: network, key }, listen, seeds, mdns, name, dataDir, agent: host.agent }
  const { storeBytesMax: bytesMax, storeAgeMsMax: ageMsMax, degree: target, flood } = settings
  const store = { ...(bytesMax === null ? {} : { bytesMax }), ...(ageMsMax === null ? {} : { ageMsMax }) }
  return { ...options, store, ...(target === null ? {} : { degree: { target } }), ...(flood === null ? {} : { flood }) }
}

/**
 * The local API listens before anybody is told that the node does, and nothing is told before that. `opened` resolves then, and
 * rejects with Failure `local-api` where the user chose the socket; otherwise a node without one is as good.
 */
function localApi(
  settings: Settings,
  mesh: MeshNode,
  host: Host,
  told: Told,
): { opened(): Promise<void>; close(): Promise<void> } {
  const { name, network, dataDir } = settings
  const place = apiPlaceOf(settings, host.platform)
  const warn = (code: string, text: string): void => told.warning(code, text)
  const facts = { name, network, agent: host.agent, dataDir }
  const api = place === null ? null : new LocalApi({ node: mesh, place, facts, platform: host.platform, warn })
  let opened: Promise<void> = Promise.resolve()
  mesh.on('listening', (event) => {
    if (api === null) return told.listening(event)
    opened = api.open().then(
      () => told.listening(event),
      (error: unknown) => {
        if (place!.isChosen) throw error
        told.listening(event)
        warn('local-api', `${reasonOf(error)}; other commands cannot talk to this node`)
      },
    )
    // Whoever waits for it hears of it; until then it is nobody's.
    opened.catch(() => undefined)
  })
  return { opened: () => opened, close: async () => api?.close() }
}

function wire(mesh: MeshNode, told: Told): void {
  mesh.on('neighbourUp', (event) => told.neighbourUp(event))
  mesh.on('neighbourDown', (event) => told.neighbourDown(event))
  mesh.on('dialFailed', (event) => told.dialFailed(event))
  mesh.on('warning', ({ code, text }) => told.warning(code, text))
  mesh.on('nodeUp', (event) => told.nodeUp(event))
  mesh.on('nodeDown', (event) => told.nodeDown(event))
  mesh.on('gap', (event) => told.gap(event))
}

/** Resolves after so long, or at once when `signal` is aborted. */
function delay(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined)
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
