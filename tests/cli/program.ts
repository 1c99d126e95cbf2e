// The program as a user starts it: a real process whose output can be watched. It is killed when the test is over.

import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { TestContext } from 'node:test'
import { killAtEnd, temporaryFolder } from '../tools/at-end.ts'
import { MESHD } from '../tools/program-path.ts'

/** Only this machine, on a free port. */
export const LOCAL: readonly string[] = ['--listen', '127.0.0.1:0', '--no-mdns']
export const DEADLINE_MS = 20_000

export class Program {
  readonly child: ChildProcessWithoutNullStreams
  readonly exit: Promise<number | null>
  out = ''
  err = ''
  #changed: () => void = () => undefined

  constructor(context: TestContext, file: string, args: readonly string[], environment: Record<string, string> = {}) {
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('MESHD_') && name !== 'NODE_OPTIONS')
    this.child = spawn(file, args, { env: { ...Object.fromEntries(clean), ...environment } })
    this.child.stdout.on('data', (chunk) => this.#saw('out', chunk))
    this.child.stderr.on('data', (chunk) => this.#saw('err', chunk))
    // It may have ended before it read everything.
    this.child.stdin.on('error', () => undefined)
    this.exit = new Promise((resolve) => this.child.on('close', resolve))
    killAtEnd(context, this.child)
  }

  /** The first match in standard output (or `err`), as soon as it is there. */
  async sees(pattern: RegExp, where: 'out' | 'err' = 'out'): Promise<RegExpExecArray> {
    const lateAtMs = performance.now() + DEADLINE_MS
    for (;;) {
      const match = pattern.exec(this[where])
      if (match !== null) return match
      const leftMs = lateAtMs - performance.now()
      if (leftMs <= 0) assert.fail(`${pattern} did not come; out: ${this.out}; err: ${this.err}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exit
  }

  #saw(where: 'out' | 'err', chunk: Buffer): void {
    this[where] += chunk
    this.#changed()
  }
}

export function meshd(
  context: TestContext,
  args: readonly string[],
  environment: Record<string, string> = {},
): Program {
  return new Program(context, process.execPath, [MESHD, ...args], environment)
}

/** Removed at the end, when the programs of the test have ended. */
export function folder(context: TestContext): string {
  return temporaryFolder(context, 'process')
}
