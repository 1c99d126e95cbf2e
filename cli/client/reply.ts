// `meshd reply`: answers what other nodes request on a topic, by a command, with a fixed text, or by a program at its other end
// of standard input and output. docs/cli.md, "meshd reply".

import { checkTopic } from '../../lib/flood/topics.ts'
import { codeOf, EXIT, Failure, UsageError } from '../failures.ts'
import { jsonLine, payloadJson } from '../json-events.ts'
import { printable } from '../printable.ts'
import { watchReader } from '../reader.ts'
import { StopSignals } from '../signals.ts'
import { type Answerer, byCommand, byProgram, type Post, withText } from './answerers.ts'
import { checked } from './checked.ts'
import type { JsonObject } from './node-client.ts'
import type { CommandContext } from './perform.ts'

/** Resolves with the exit code. Rejects with UsageError, or with what kept it from answering. */
export async function reply(context: CommandContext): Promise<number> {
  const { settings, host } = context
  const { exec, text, json } = settings
  if (exec !== null && text !== null) throw new UsageError('--exec and --text exclude each other; give one of them')
  if (exec === null && text === null && !json) {
    throw new UsageError('meshd reply needs --exec COMMAND, --text TEXT, or --json to be answered by a program')
  }
  checked('TOPIC', context.words[0]!, checkTopic)
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
  const replying = new Replying(context, stopping)
  try {
    await replying.run()
    if (isLate && settings.count !== null && replying.count < settings.count) {
      const what = `${replying.count} of ${settings.count} requests came within the time of --timeout`
      throw new Failure('timed-out', what)
    }
    return replying.hasFailed ? EXIT.failed : EXIT.done
  } finally {
    clearTimeout(timer)
    signals.release()
  }
}

class Replying {
  /** Requests that were taken. */
  count = 0
  hasFailed = false
  readonly #context: CommandContext
  readonly #stopping: AbortController
  readonly #answerer: Answerer
  #finishing: Promise<void> | null = null
  /** What kept something from being finished. */
  #error: unknown = null

  constructor(context: CommandContext, stopping: AbortController) {
    this.#context = context
    this.#stopping = stopping
    const { exec, text } = context.settings
    const post: Post = {
      context,
      stopping: stopping.signal,
      answer: async ({ id, from }, data) => {
        if (await this.#post({ id, ...payloadJson(data) })) this.#told({ event: 'replied', id, from })
      },
      fail: async ({ id, from }, error) => {
        if (!(await this.#post({ id, error }))) return
        if (context.settings.json) this.#told({ event: 'replied', id, from, error })
        else context.host.stderr.write(`meshd: request ${id} failed: ${printable(error)}\n`)
      },
      pass: async (answer) => void (await this.#post(answer)),
      event: (event) => this.#told(event),
      warn: (code, what) => this.#warn(code, what),
      stop: () => stopping.abort(),
    }
    this.#answerer = exec !== null ? byCommand(post, exec) : text !== null ? withText(post, text) : byProgram(post)
    // A program that has left, or a reader that has seen enough.
    context.host.stdout.on('error', () => stopping.abort())
    watchReader(context.host.stdout)
  }

  /** Resolves when it was stopped or has taken as many as were wanted, and all of these are answered. */
  async run(): Promise<void> {
    const { client, settings, words } = this.#context
    const { signal } = this.#stopping
    // Answering needs the node to know that we are there: it is left when everything that was taken is done.
    const leaving = new AbortController()
    const stop = (): void => void this.#finish().finally(() => leaving.abort())
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const lines of client.lines('/v1/requests', { topic: words[0] }, leaving.signal)) {
        for (const line of lines) {
          if (signal.aborted) break
          await this.#take(line)
          if (this.count === settings.count) break
        }
        if (!signal.aborted && this.count !== settings.count) continue
        await this.#finish()
        break
      }
    } finally {
      signal.removeEventListener('abort', stop)
      await this.#finish()
    }
    if (this.#error !== null) throw this.#error
  }

  #finish(): Promise<void> {
    this.#finishing ??= this.#answerer.finish().catch((error: unknown) => {
      this.#error = error
    })
    return this.#finishing
  }

  async #take(line: JsonObject): Promise<void> {
    switch (line.event) {
      case 'request':
        this.count++
        return this.#answerer.take(line)
      case 'replying':
        this.#told({ event: 'replying', topic: line.topic })
        return this.#answerer.begin()
      case 'end':
        throw new Failure('not-running', 'the node has stopped; start it again with `meshd run`')
      default:
        // The heartbeat, and what newer nodes tell beside requests.
        return
    }
  }

  /** False when nobody waits for it any more. */
  async #post(answer: JsonObject): Promise<boolean> {
    try {
      await this.#context.client.post('/v1/reply', answer)
      return true
    } catch (error) {
      if (!TELLABLE.has(codeOf(error))) throw error
      this.#warn(codeOf(error), (error as Error).message)
      return false
    }
  }

  #told(event: object): void {
    if (this.#context.settings.json) this.#context.host.stdout.write(jsonLine(event))
  }

  #warn(code: string, text: string): void {
    this.hasFailed = true
    const { settings, host } = this.#context
    if (settings.json) this.#told({ event: 'warning', code, text })
    else host.stderr.write(`meshd: warning: ${printable(text)}\n`)
  }
}

/** What can be wrong with one answer alone. */
const TELLABLE: ReadonlySet<string> = new Set(['unknown-request', 'bad-argument', 'too-large'])
