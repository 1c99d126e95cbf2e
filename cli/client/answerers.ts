// The three ways in which `meshd reply` comes to its answers. docs/cli.md, "meshd reply".

import { reasonOf } from '../../lib/errors.ts'
import { PAYLOAD_BYTES_MAX } from '../../lib/limits.ts'
import { codeOf, Failure } from '../failures.ts'
import { LineInput } from '../input.ts'
import { JSON_LINE_BYTES_MAX } from '../json-events.ts'
import type { InputLine } from '../lines.ts'
import { CommandRunner, messageOf, type RunnerMessage } from './command-runner.ts'
import type { JsonObject } from './node-client.ts'
import type { CommandContext } from './perform.ts'

/** What an answerer tells and asks. */
export interface Post {
  readonly context: CommandContext
  readonly stopping: AbortSignal
  /** Sends an answer. Resolves when the node has it, also when it came too late. Rejects when there is no node any more. */
  answer(request: Pick<RunnerMessage, 'id' | 'from'>, data: Uint8Array): Promise<void>
  /** Sends an error with this text, and tells it here. */
  fail(request: Pick<RunnerMessage, 'id' | 'from'>, text: string): Promise<void>
  /** Sends an answer as a program made it: `id`, and one of `data`, `data64` and `error`. */
  pass(answer: JsonObject): Promise<void>
  event(event: object): void
  /** Something that was asked for was not done: the exit code will be 1. */
  warn(code: string, text: string): void
  /** Nobody can answer any more. */
  stop(): void
}

export interface Answerer {
  /** Requests come from now on. */
  begin(): void
  /** A request as the node tells it. Resolves when the next one may come. */
  take(line: JsonObject): Promise<void>
  /** No more will come. Resolves when those that were taken are answered, or never will be. Rejects with what went wrong. */
  finish(): Promise<void>
}

/** What a command prints is the answer; its last line of standard error, when it fails, the error. */
export function byCommand(post: Post, command: string): Answerer {
  const { settings, host } = post.context
  const runner = new CommandRunner({
    command,
    parallel: settings.execParallel,
    retries: false,
    stopping: post.stopping,
    environment: settings.nodeEnvironment,
    capture: { bytesMax: PAYLOAD_BYTES_MAX, stderr: host.stderr },
    failed: ({ id, from }, { failure, lastLine }) =>
      post.fail({ id, from }, lastLine === '' ? `the command failed: ${failure}` : lastLine),
  })
  return {
    begin: () => undefined,
    take: (line) => {
      const request = messageOf(line)
      return runner.take(request, (output) => post.answer(request, output))
    },
    finish: () => runner.finish(),
  }
}

export function withText(post: Post, text: string): Answerer {
  const data = Buffer.from(text)
  return {
    begin: () => undefined,
    take: (line) => post.answer(messageOf(line), data),
    finish: async () => undefined,
  }
}

/** Requests leave on standard output, answers come on standard input, a JSON object a line each. */
export function byProgram(post: Post): Answerer {
  return new Program(post)
}

class Program implements Answerer {
  readonly #post: Post
  readonly #unanswered = new Set<string>()
  #error: unknown = null
  /** Answers can come no more. */
  #isOver = false
  #settled: (() => void)[] = []

  constructor(post: Post) {
    this.#post = post
    post.stopping.addEventListener('abort', () => this.#over(), { once: true })
  }

  begin(): void {
    void this.#read().finally(() => {
      this.#over()
      this.#post.stop()
    })
  }

  async take(line: JsonObject): Promise<void> {
    this.#unanswered.add(String(line.id))
    this.#post.event(line)
    const { stdout } = this.#post.context.host
    if (!stdout.writableNeedDrain) return
    // Whoever does not read what it is asked is asked no more.
    await new Promise<void>((resolve) => {
      stdout.once('drain', resolve)
      stdout.once('close', resolve)
      this.#settled.push(resolve)
    })
  }

  async finish(): Promise<void> {
    while (this.#unanswered.size > 0 && !this.#isOver) {
      await new Promise<void>((resolve) => this.#settled.push(resolve))
    }
    if (this.#error !== null) throw this.#error
  }

  #over(): void {
    this.#isOver = true
    this.#settle()
  }

  #settle(): void {
    for (const settled of this.#settled.splice(0)) settled()
  }

  async #read(): Promise<void> {
    const { stdin } = this.#post.context.host
    const input = new LineInput(stdin as AsyncIterable<Uint8Array>, JSON_LINE_BYTES_MAX)
    try {
      for (let lines = await input.batch(); lines !== null; lines = await input.batch()) {
        for (const line of lines) await this.#answer(line)
      }
    } catch (error) {
      // Either the node has gone, or nothing can be read.
      const text = `standard input failed: ${reasonOf(error)}`
      this.#error ??= error instanceof Failure ? error : new Failure('input-failed', text, { cause: error })
    }
  }

  async #answer(line: InputLine): Promise<void> {
    const answer = answerIn(line)
    if (typeof answer === 'string') return this.#post.warn('bad-reply', `line ${line.number}: ${answer}`)
    await this.#post.pass(answer)
    if (this.#unanswered.delete(String(answer.id))) this.#settle()
  }
}

const SHOULD = 'it must be {"id":"…","data":"…"}, with "data64" (base64) or "error" in place of "data"'

/** The node checks what is in it. */
function answerIn(line: InputLine): JsonObject | string {
  if (line.kind === 'too-long') return `it is too long for any answer; ${SHOULD}`
  try {
    const { bytes } = line
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  } catch (error) {
    return `it is no JSON (${codeOf(error) === 'failed' ? reasonOf(error) : codeOf(error)}); ${SHOULD}`
  }
  return `it is no JSON object; ${SHOULD}`
}
