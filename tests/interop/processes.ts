// Child processes that speak one JSON object a line: waiting for the next line that fits, and ending them for certain.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export type Event = Readonly<Record<string, unknown>>

export class TalkingProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  readonly #exit: Promise<unknown>
  #errors = ''

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { cwd: ROOT, env: { ...process.env, NODE_OPTIONS: '' } })
    this.#child.stderr.on('data', (chunk) => {
      this.#errors += chunk
    })
    this.#exit = once(this.#child, 'close')
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  /** What it wrote to standard error so far. */
  get errors(): string {
    return this.#errors
  }

  /** Reads on to the first event of that name. Throws when the process ends before. */
  async event(name: string): Promise<Event> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) throw new Error(`it ended before ${name}: ${this.#errors}`)
      const event = JSON.parse(value) as Event
      if (event.event === name) return event
    }
  }

  write(line: unknown): void {
    this.#child.stdin.write(`${JSON.stringify(line)}\n`)
  }

  /** Its exit code, once it has ended by itself. */
  async exitCode(): Promise<number | null> {
    await this.#exit
    return this.#child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.#exit
  }
}
