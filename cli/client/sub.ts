// `meshd sub`: prints what arrives on a topic or pattern, or runs a command for each message. docs/cli.md, "meshd sub".

import { resolveSubscribeOptions } from '../../lib/flood/readers/read-options.ts'
import { TopicPattern } from '../../lib/flood/topics.ts'
import { shortId } from '../../lib/identity/peer-id.ts'
import type { SubscribeOptions } from '../../lib/types.ts'
import { codeOf, EXIT, Failure, failureLine } from '../failures.ts'
import { jsonLine } from '../json-events.ts'
import { Output } from '../output.ts'
import { printable } from '../printable.ts'
import { StopSignals } from '../signals.ts'
import { Acknowledger } from './acknowledger.ts'
import { checked } from './checked.ts'
import { CommandRunner, messageOf, type RunnerMessage } from './command-runner.ts'
import type { JsonObject } from './node-client.ts'
import type { CommandContext } from './perform.ts'
import type { ClientSettings } from './settings.ts'

const NEWLINE = Uint8Array.of(0x0a)

export async function sub(context: CommandContext): Promise<number> {
  const { settings, words, host } = context
  const pattern = words[0]!
  check(pattern, settings)
  const stopping = new AbortController()
  const signals = new StopSignals({
    signals: host.signals,
    stop: () => stopping.abort(),
    exit: (code) => host.exit(code),
  })
  let isLate = false
  const late = (): void => {
    isLate = true
    stopping.abort()
  }
  const timer = settings.timeoutMs === null ? undefined : setTimeout(late, settings.timeoutMs)
  const reading = new Reading(context, pattern, stopping)
  try {
    const isEnough = await reading.read()
    if (isLate && !isEnough && settings.count !== null) {
      const text = `${reading.count} of ${settings.count} messages came within the time of --timeout`
      throw new Failure('timed-out', text)
    }
    return reading.hasFailed ? EXIT.failed : EXIT.done
  } finally {
    clearTimeout(timer)
    signals.release()
  }
}

/** Throws UsageError for what the node would refuse. */
function check(pattern: string, { since, durable }: ClientSettings): void {
  const judge = (options: SubscribeOptions): unknown =>
    resolveSubscribeOptions(options, { keepsBundles: true, isDurable: true })
  checked('PATTERN', pattern, () => new TopicPattern(pattern))
  if (since !== null) checked('--since', since, () => judge({ since }))
  if (durable !== null) checked('--durable', durable, () => judge({ durable }))
}

class Reading {
  /** Messages that were taken. */
  count = 0
  hasFailed = false
  readonly #context: CommandContext
  readonly #pattern: string
  readonly #stopping: AbortController
  readonly #output: Output
  readonly #runner: CommandRunner | null
  #acknowledger: Acknowledger | null = null
  #finishing: Promise<void> | null = null
  /** What kept something from being finished. */
  #error: unknown = null

  constructor(context: CommandContext, pattern: string, stopping: AbortController) {
    const { settings, host } = context
    this.#context = context
    this.#pattern = pattern
    this.#stopping = stopping
    this.#output = new Output(host.stdout, {
      overflowed: () => undefined,
      broken: (error) => {
        // The reader has seen enough; anything else is worth a word.
        if (codeOf(error) !== 'EPIPE') {
          host.stderr.write(
            failureLine(new Failure(codeOf(error), `standard output failed: ${error.message}`), settings.json),
          )
          this.hasFailed = true
        }
        stopping.abort()
      },
    })
    const { exec, execParallel, durable } = settings
    this.#runner =
      exec === null
        ? null
        : new CommandRunner({
            command: exec,
            parallel: execParallel,
            retries: durable !== null,
            stopping: stopping.signal,
            environment: settings.nodeEnvironment,
            capture: null,
            failed: (message, { failure }, retryInMs) => this.#commandFailed(message, failure, retryInMs),
          })
  }

  /** True when as many messages came as were wanted; false when it was stopped before. Rejects when the node went away. */
  async read(): Promise<boolean> {
    const { client, settings } = this.#context
    const { since, durable, order, count } = settings
    const query = { pattern: this.#pattern, since, durable, order, ack: durable === null ? null : 'reader' }
    const { signal } = this.#stopping
    // Acknowledging needs the subscription: it is left when everything that was taken is done.
    const leaving = new AbortController()
    const stop = (): void => void this.#finish().finally(() => leaving.abort())
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const lines of client.lines('/v1/subscribe', query, leaving.signal)) {
        for (const line of lines) {
          if (signal.aborted) break
          await this.#take(line)
          if (this.count === count) break
        }
        if (!signal.aborted && this.count !== count) continue
        await this.#finish()
        break
      }
    } finally {
      signal.removeEventListener('abort', stop)
      await this.#finish()
    }
    if (this.#error !== null) throw this.#error
    return this.count === count
  }

  /** Everything that was taken is run, printed and acknowledged, as far as that is possible. */
  #finish(): Promise<void> {
    this.#finishing ??= (async () => {
      try {
        await this.#runner?.finish()
        await this.#output.flush()
        await this.#acknowledger?.flush()
      } catch (error) {
        this.#error = error
      }
      if (this.#runner !== null && this.#runner.failures > 0) this.hasFailed = true
    })()
    return this.#finishing
  }

  async #take(line: JsonObject): Promise<void> {
    const { client, settings } = this.#context
    switch (line.event) {
      case 'message':
        this.count++
        return this.#message(line)
      case 'subscribed':
        if (settings.durable !== null) this.#acknowledger = new Acknowledger(client, String(line.subscription))
        if (settings.json) this.#output.print(jsonLine({ event: 'subscribed', pattern: this.#pattern }))
        return
      case 'dropped':
        return this.#warn(line, `${line.count} messages came faster than they were taken, and are missing here`)
      case 'gap':
        return this.#warn(line, `passed over ${line.first} to ${line.last} of ${line.from}: not here in time`)
      case 'end':
        throw new Failure('not-running', 'the node has stopped; start it again with `meshd run`')
      default:
        // The heartbeat, and what newer nodes tell beside messages.
        return
    }
  }

  async #message(line: JsonObject): Promise<void> {
    const { number, ...event } = line
    const done = (): void => this.#acknowledger?.done(number as number)
    if (this.#runner !== null) return this.#runner.take(messageOf(event), done)
    const { settings, host } = this.#context
    if (settings.json) return this.#output.deliver([Buffer.from(jsonLine(event))], done)
    const message = messageOf(event)
    if (host.stdout.isTTY === true) {
      const text = printable(`[${message.topic}] ${shortId(message.from)}: ${Buffer.from(message.data).toString()}`)
      return this.#output.deliver([Buffer.from(`${text}\n`)], done)
    }
    return this.#output.deliver([message.data, NEWLINE], done)
  }

  #warn(event: JsonObject, text: string): void {
    if (this.#context.settings.json) this.#output.print(jsonLine(event))
    else this.#context.host.stderr.write(`meshd: warning: ${printable(text)}\n`)
  }

  #commandFailed({ id }: RunnerMessage, how: string, retryInMs: number | null): void {
    const again = retryInMs === null ? '' : `; it runs again in ${retryInMs / 1_000} s`
    const text = `the command failed for message ${id}: ${how}${again}`
    const { settings, host } = this.#context
    if (settings.json) this.#output.print(jsonLine({ event: 'command-failed', id, text: how, retryInMs }))
    else host.stderr.write(`meshd: ${printable(text)}\n`)
  }
}
