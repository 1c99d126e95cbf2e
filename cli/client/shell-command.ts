// Runs one command in the shell: bytes to its standard input, facts in its environment, and where its answer is wanted, what it
// prints. Nothing that is given to it ever becomes part of the command's text. docs/cli.md, "A command for each message".

import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { Failure } from '../failures.ts'
import { printableShort } from '../printable.ts'

/** A line of standard error that is told to others: enough to say what is wrong. */
const LAST_LINE_UNITS_MAX = 500
/** Bytes of standard error that are kept for its last line. */
const TAIL_BYTES_MAX = 4_096
/** What may wait for a slow reader of standard error before more of it is left out. */
const STDERR_UNSENT_BYTES_MAX = 1_048_576

export interface ShellCommand {
  readonly command: string
  readonly input: Uint8Array
  /** Beside that of this process; undefined takes a variable away. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Null: what it prints goes where this process prints. */
  readonly capture: Capture | null
}

export interface Capture {
  /** Beyond so many, what it prints is no answer. */
  readonly bytesMax: number
  /** Where its standard error goes. */
  readonly stderr: Writable
}

export interface ShellEnd {
  /** Null when it ended with 0 and its answer is not too long; else what was wrong, as in `it ended with 1`. */
  readonly failure: string | null
  /** What it printed on standard output, where that was captured. */
  readonly output: Uint8Array
  /** Of standard error, where that was captured: the last line with anything in it, made safe and cut; else empty. */
  readonly lastLine: string
}

/** Resolves when it has ended, however that is. Rejects with Failure `exec-failed` when there is no shell to run it. */
export function runShell({ command, input, environment, capture }: ShellCommand): Promise<ShellEnd> {
  return new Promise((resolve, reject) => {
    const how = capture === null ? 'inherit' : 'pipe'
    const child: ChildProcess = spawn(command, {
      shell: true,
      stdio: ['pipe', how, how],
      env: { ...process.env, ...environment },
      windowsHide: true,
    })
    const answer = capture === null ? null : new Answer(child.stdout!, capture.bytesMax)
    const complaint = capture === null ? null : new Complaint(child.stderr!, capture.stderr)
    child.once('error', (cause) =>
      reject(new Failure('exec-failed', `cannot run a shell: ${cause.message}`, { cause })),
    )
    child.once('close', (code, signal) => {
      const ended = signal === null ? `it ended with ${code}` : `it was ended by ${signal}`
      resolve({
        failure: answer?.isTooLong ? `its answer is longer than ${capture!.bytesMax} bytes` : code === 0 ? null : ended,
        output: answer?.bytes ?? new Uint8Array(0),
        lastLine: complaint?.lastLine ?? '',
      })
    })
    // A command need not read what it is given.
    child.stdin!.on('error', () => undefined)
    child.stdin!.end(input)
  })
}

/** What a command prints, up to a bound; beyond it nobody reads on, and the command finds that out when it writes. */
class Answer {
  isTooLong = false
  readonly #chunks: Uint8Array[] = []
  #bytes = 0

  constructor(stdout: Readable, bytesMax: number) {
    stdout.on('data', (chunk: Uint8Array) => {
      this.#bytes += chunk.length
      if (this.#bytes <= bytesMax) return void this.#chunks.push(chunk)
      this.isTooLong = true
      this.#chunks.length = 0
      stdout.destroy()
    })
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks)
  }
}

/** Passes standard error on, and remembers how it ended. */
class Complaint {
  #tail: Buffer = Buffer.alloc(0)

  constructor(stderr: Readable, to: Writable) {
    stderr.on('data', (chunk: Uint8Array) => {
      if (to.writableLength < STDERR_UNSENT_BYTES_MAX) to.write(chunk)
      this.#tail = Buffer.concat([this.#tail, chunk.subarray(-TAIL_BYTES_MAX)]).subarray(-TAIL_BYTES_MAX)
    })
  }

  get lastLine(): string {
    const lines = this.#tail.toString().split(/\r?\n/)
    const last = lines.findLast((line) => line.trim() !== '') ?? ''
    return printableShort(last.trim(), LAST_LINE_UNITS_MAX)
  }
}
