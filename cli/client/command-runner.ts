// Runs a command for each message (`sub --exec`) or request (`reply --exec`): payload on its standard input, the rest in its
// environment, at most so many at once. docs/cli.md, "A command for each message".

import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { RETRY_FIRST_MS, RETRY_MAX_MS } from '../../lib/flood/readers/handler-reading.ts'
import { payloadOf } from '../instructions.ts'
import type { JsonObject } from './node-client.ts'
import { runShell, type ShellEnd } from './shell-command.ts'

/** A message as the command gets it. */
export interface RunnerMessage {
  readonly topic: string
  readonly from: string
  readonly id: string
  readonly data: Uint8Array
  /** Of what was published; requests have none of these. */
  readonly sequence?: number | undefined
  readonly hops?: number | undefined
  readonly replayed?: boolean | undefined
}

export interface RunnerOptions {
  readonly command: string
  readonly parallel: number
  /** Run again until it succeeds, after 1 s, doubling to 60 s. */
  readonly retries: boolean
  readonly stopping: AbortSignal
  /** Added to every command's environment; undefined takes a variable away. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What a command prints is an answer of at most so many bytes; null: it goes where this process prints. */
  readonly capture: { readonly bytesMax: number; readonly stderr: Writable } | null
  /**
   * A command did not succeed; `end.failure` says how. `retryInMs`: when it runs again; null: it does not. Its place is taken
   * until the promise, where there is one, has resolved.
   */
  failed(message: RunnerMessage, end: ShellEnd & { failure: string }, retryInMs: number | null): Promise<void> | void
}

export class CommandRunner {
  readonly #options: RunnerOptions
  readonly #running = new Set<Promise<void>>()
  #failures = 0
  #error: unknown = null

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** Messages whose command failed and was not run again. */
  get failures(): number {
    return this.#failures
  }

  /**
   * Takes a message when fewer than `parallel` commands run; until then whoever reads messages waits here. `done` is called
   * when the command has succeeded, with what it printed where that is captured, and holds its place as `failed` does. Takes
   * nothing once `stopping` is aborted. Rejects with Failure `exec-failed` when there is no shell to run it, and with what
   * `done` or `failed` reject with.
   */
  async take(message: RunnerMessage, done: (output: Uint8Array) => Promise<void> | void): Promise<void> {
    while (this.#running.size >= this.#options.parallel) await Promise.race(this.#running)
    if (this.#error !== null) throw this.#error
    if (this.#options.stopping.aborted) return
    const running = this.#see(message, done).catch((error: unknown) => {
      this.#error ??= error
    })
    this.#running.add(running)
    running.finally(() => this.#running.delete(running))
  }

  /** Resolves when none runs any more. Rejects as `take`. */
  async finish(): Promise<void> {
    await Promise.all(this.#running)
    if (this.#error !== null) throw this.#error
  }

  async #see(message: RunnerMessage, done: (output: Uint8Array) => Promise<void> | void): Promise<void> {
    const { command, capture, environment, retries, stopping, failed } = this.#options
    const facts = { ...environment, ...environmentOf(message) }
    for (let retryMs = RETRY_FIRST_MS; ; retryMs = Math.min(RETRY_MAX_MS, retryMs * 2)) {
      const end = await runShell({ command, input: message.data, environment: facts, capture })
      const { failure } = end
      if (failure === null) return done(end.output)
      const isOver = !retries || stopping.aborted
      await failed(message, { ...end, failure }, isOver ? null : retryMs)
      if (!isOver) await sleep(retryMs, undefined, { signal: stopping }).catch(() => undefined)
      if (!retries) this.#failures++
      // One that would have run again comes again with the next reader of that name.
      if (isOver || stopping.aborted) return
    }
  }
}

/** The message of a line of the local API: `message` or `request`. */
export function messageOf(line: JsonObject): RunnerMessage {
  const payload = payloadOf(line)
  const data = typeof payload === 'string' ? Buffer.alloc(0) : Buffer.from(payload.data as string)
  const { topic, from, id, sequence, hops, replayed } = line as unknown as RunnerMessage
  return { topic, from, id, sequence, hops, replayed, data }
}

function environmentOf({
  topic,
  from,
  id,
  sequence,
  hops,
  replayed,
}: RunnerMessage): Record<string, string | undefined> {
  return {
    MESHD_TOPIC: topic,
    MESHD_FROM: from,
    MESHD_ID: id,
    // A command inside a command must not see those of the outer one.
    MESHD_SEQUENCE: sequence?.toString(),
    MESHD_HOPS: hops?.toString(),
    MESHD_REPLAYED: replayed === undefined ? undefined : replayed ? '1' : '0',
  }
}
