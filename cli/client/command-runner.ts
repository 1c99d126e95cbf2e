// Runs a command for each message (`sub --exec`): payload on its standard input, the rest in its environment, at most so many
// at once. Nothing of a message ever becomes part of the command's text. docs/cli.md, "A command for each message".

import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { RETRY_FIRST_MS, RETRY_MAX_MS } from '../../lib/flood/readers/handler-reading.ts'
import { Failure } from '../failures.ts'

/** A message as the command gets it. */
export interface RunnerMessage {
  readonly topic: string
  readonly from: string
  readonly id: string
  readonly sequence: number
  readonly hops: number
  readonly replayed: boolean
  readonly data: Uint8Array
}

export interface RunnerOptions {
  readonly command: string
  readonly parallel: number
  /** Run again until it succeeds, after 1 s, doubling to 60 s. */
  readonly retries: boolean
  readonly stopping: AbortSignal
  /** A command ended otherwise than with 0. `retryInMs`: when it runs again; null: it does not. */
  failed(message: RunnerMessage, how: string, retryInMs: number | null): void
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
   * when the command has ended with 0. Takes nothing once `stopping` is aborted. Rejects with Failure `exec-failed` when there is no shell to run it.
   */
  async take(message: RunnerMessage, done: () => void): Promise<void> {
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

  async #see(message: RunnerMessage, done: () => void): Promise<void> {
    const { retries, stopping, failed } = this.#options
    for (let retryMs = RETRY_FIRST_MS; ; retryMs = Math.min(RETRY_MAX_MS, retryMs * 2)) {
      const how = await this.#run(message)
      if (how === null) return done()
      const isOver = !retries || stopping.aborted
      failed(message, how, isOver ? null : retryMs)
      if (!isOver) await sleep(retryMs, undefined, { signal: stopping }).catch(() => undefined)
      if (!retries) this.#failures++
      // One that would have run again comes again with the next reader of that name.
      if (isOver || stopping.aborted) return
    }
  }

  /** Null when it ended with 0, else how it ended. */
  #run(message: RunnerMessage): Promise<string | null> {
    return new Promise((resolve, reject) => {
      const child: ChildProcess = spawn(this.#options.command, {
        shell: true,
        stdio: ['pipe', 'inherit', 'inherit'],
        env: { ...process.env, ...environmentOf(message) },
        windowsHide: true,
      })
      child.once('error', (cause) =>
        reject(new Failure('exec-failed', `cannot run a shell: ${cause.message}`, { cause })),
      )
      child.once('close', (code, signal) => {
        if (code === 0) resolve(null)
        else resolve(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`)
      })
      // A command need not read what it is given.
      child.stdin!.on('error', () => undefined)
      child.stdin!.end(message.data)
    })
  }
}

function environmentOf({ topic, from, id, sequence, hops, replayed }: RunnerMessage): Record<string, string> {
  return {
    MESHD_TOPIC: topic,
    MESHD_FROM: from,
    MESHD_ID: id,
    MESHD_SEQUENCE: String(sequence),
    MESHD_HOPS: String(hops),
    MESHD_REPLAYED: replayed ? '1' : '0',
  }
}
