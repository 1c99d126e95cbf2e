// The driver's end of a fault node: starts its process, kills it, stops and continues it, and gives it orders.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { childScript } from '../tools/child-script.ts'
import type { Answer, FaultNodeOptions, Order, Report } from './fault-node.ts'

const NODE = childScript(fileURLToPath(new URL('fault-node.ts', import.meta.url)))

export class FaultProcess {
  readonly #options: FaultNodeOptions
  readonly #namespace: string | null
  readonly warnings: string[] = []
  #child: ChildProcess | null = null

  /** `namespace`: the network namespace that it runs in, or null for the machine's own. */
  constructor(options: FaultNodeOptions, namespace: string | null = null) {
    this.#options = options
    this.#namespace = namespace
  }

  /** Resolves when the node has started. */
  async start(): Promise<void> {
    const command = [process.execPath, NODE, JSON.stringify(this.#options)]
    if (this.#namespace !== null) command.unshift('ip', 'netns', 'exec', this.#namespace)
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    this.#child = child
    child.on('message', (answer: Answer) => {
      if (answer.answer === 'warning') this.warnings.push(`${answer.code}: ${answer.text}`)
    })
    await this.#answer('ready')
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === null) return
    this.#child = null
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child!.kill(signal)
  }

  /** Ends it in an orderly way; killed when that takes more than 10 s. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === null || child.exitCode !== null) return
    this.#child = null
    child.send({ order: 'stop' } satisfies Order)
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await once(child, 'exit')
    clearTimeout(late)
  }

  async publish(topic: 'work' | 'live', from: number, count: number, perSecond = 0): Promise<void> {
    this.#order({ order: 'publish', topic, from, count, perSecond })
    await this.#answer('published', (answer) => answer.topic === topic)
  }

  watch(): void {
    this.#order({ order: 'watch' })
  }

  async report(): Promise<Report> {
    this.#order({ order: 'report' })
    return (await this.#answer('report')).report
  }

  #order(order: Order): void {
    this.#child!.send(order)
  }

  #answer<K extends Answer['answer']>(
    kind: K,
    isIt: (answer: Answer & { answer: K }) => boolean = () => true,
  ): Promise<Answer & { answer: K }> {
    const child = this.#child!
    return new Promise((resolve, reject) => {
      const onMessage = (answer: Answer): void => {
        if (answer.answer !== kind || !isIt(answer as Answer & { answer: K })) return
        settle()
        resolve(answer as Answer & { answer: K })
      }
      const onExit = (): void => {
        settle()
        reject(new Error(`a node ended before it answered ${kind}`))
      }
      const settle = (): void => {
        child.off('message', onMessage)
        child.off('exit', onExit)
      }
      child.on('message', onMessage)
      child.on('exit', onExit)
    })
  }
}
