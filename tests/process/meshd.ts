// A running `meshd run --json` as a test sees it: its events, and lines to its standard input.

import assert from 'node:assert/strict'
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { killAtEnd } from '../tools/at-end.ts'
import { MESHD } from '../tools/program-path.ts'

const DEADLINE_MS = 20_000

export interface NodeEvent {
  readonly event: string
  readonly id?: string
  readonly addresses?: readonly string[]
  readonly peer?: string
  readonly reason?: string
  readonly retryInMs?: number | null
  readonly address?: string
  readonly topic?: string
  readonly from?: string
  readonly data?: string
  readonly hops?: number
  readonly code?: string
  /** When the test read it, by its own clock. */
  readonly atMs: number
}

type Start = (file: string, args: readonly string[], options: SpawnOptions) => ChildProcess

export class Meshd {
  readonly child: ChildProcess
  readonly events: NodeEvent[] = []
  readonly exited: Promise<{ code: number | null; atMs: number }>
  #waiting: (() => void)[] = []
  #rest = ''

  /** `start` runs it elsewhere, in a network namespace for example. It is killed when the test ends. */
  constructor(context: TestContext, args: readonly string[], start: Start = spawn) {
    const environment = Object.entries(process.env).filter(([name]) => !/^(MESHD_|NODE_OPTIONS)/.test(name))
    this.child = start(process.execPath, [MESHD, 'run', '--json', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: Object.fromEntries(environment),
    })
    this.child.stdin!.on('error', () => undefined)
    this.child.stdout!.on('data', (chunk) => this.#read(chunk))
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code) => resolve({ code, atMs: performance.now() }))
    })
    killAtEnd(context, this.child)
  }

  /** The first event, before or from now on, that matches. Fails after 20 s. */
  async event(matches: (event: NodeEvent) => boolean, what: string): Promise<NodeEvent> {
    const lateAtMs = performance.now() + DEADLINE_MS
    for (;;) {
      const found = this.events.find(matches)
      if (found !== undefined) return found
      const leftMs = lateAtMs - performance.now()
      if (leftMs <= 0) {
        assert.fail(`no ${what}; came: ${JSON.stringify(this.events.slice(-10))}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  up(peer: string, afterMs: number = 0): Promise<NodeEvent> {
    return this.event((e) => e.event === 'neighbour-up' && e.peer === peer && e.atMs > afterMs, `link with ${peer}`)
  }

  async id(): Promise<string> {
    return (await this.event((e) => e.event === 'listening', 'listening event')).id!
  }

  messages(): string[] {
    return this.events.filter((e) => e.event === 'message').map((e) => e.data ?? '')
  }

  say(lines: string): void {
    this.child.stdin!.write(lines)
  }

  #read(chunk: Buffer): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) this.events.push({ ...JSON.parse(line), atMs: performance.now() })
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/** A port of 127.0.0.1 that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
