// A peer that misbehaves, over a real loopback connection to a real Mesh: the scripted peer of tests/link with a socket of
// the machine under it. And a node to attack, with an honest neighbour that must be served all the while.

import assert from 'node:assert/strict'
import type { KeyPair } from '../../lib/identity/key-pair.ts'
import { nodeTcp } from '../../lib/io/tcp.ts'
import type { Socket } from '../../lib/io/world.ts'
import { Mesh } from '../../lib/mesh.ts'
import type { MeshOptions } from '../../lib/options.ts'
import type { Message } from '../../lib/types.ts'
import { keyPairOf } from '../identity/nodes.ts'
import { type Script, ScriptedPeer } from '../link/scripted-peer.ts'

const QUIET: MeshOptions = { mdns: false, listen: ['127.0.0.1:0'] }

/** A node under attack and an honest neighbour of it. */
export class Siege implements AsyncDisposable {
  readonly target: Mesh
  readonly honest: Mesh
  /** What the honest neighbour heard from the target, and through it. */
  readonly heard: Message[] = []
  readonly warnings: string[] = []
  readonly #evil: Socket[] = []
  #round = 0

  private constructor(target: Mesh, honest: Mesh) {
    this.target = target
    this.honest = honest
    honest.subscribe('#', (message) => this.heard.push(message))
    target.subscribe('#', () => {})
    target.on('warning', ({ code }) => this.warnings.push(code))
  }

  static async laid(options: MeshOptions = {}): Promise<Siege> {
    const target = new Mesh({ ...QUIET, ...options })
    const honest = new Mesh({ ...QUIET, listen: [], ...(options.network ? { network: options.network } : {}) })
    const siege = new Siege(target, honest)
    await target.start()
    await honest.start()
    await honest.connect(target.addresses[0]!)
    return siege
  }

  get port(): number {
    return Number(/tcp\/(\d+)/.exec(this.target.addresses[0]!)![1])
  }

  /** A bare connection to the target. */
  async socket(): Promise<Socket> {
    const socket = await nodeTcp.dial({ host: '127.0.0.1', port: this.port }, new AbortController().signal)
    this.#evil.push(socket)
    return socket
  }

  /** A peer that begins its handshake by the script. */
  async peer(number = 66, script: Partial<Script> = {}, keyPair: KeyPair = keyPairOf(number)): Promise<ScriptedPeer> {
    return new ScriptedPeer(await this.socket(), keyPair, 'dialler', script)
  }

  /** An open link of an evil peer. */
  async opened(number = 66): Promise<ScriptedPeer> {
    const peer = await this.peer(number)
    const { id } = keyPairOf(number).identity
    await this.until(() => this.target.neighbours().some((entry) => entry.peer === id && entry.state === 'open'))
    return peer
  }

  /** The honest neighbour and the target still hear each other. */
  async serves(): Promise<void> {
    const word = `still here ${this.#round++}`
    const toHonest = this.until(() => this.heard.some((message) => message.text() === word))
    await this.target.publish('siege', word)
    await toHonest
    const before = this.target.stats().delivered.messages
    await this.honest.publish('siege', 'and here')
    await this.until(() => this.target.stats().delivered.messages > before)
  }

  /** Waits turn by turn of the event loop; gives up after ten seconds with the target's counters. */
  async until(done: () => boolean): Promise<void> {
    const giveUpMs = performance.now() + 10_000
    while (!done()) {
      if (performance.now() > giveUpMs) assert.fail(`waited in vain: ${JSON.stringify(this.target.stats())}`)
      await new Promise(setImmediate)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#evil) socket.destroy()
    await this.honest.stop()
    await this.target.stop()
  }
}

/** Bytes of live objects, after the collector has run. */
export async function heapBytes(): Promise<number> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let i = 0; i < 3; i++) {
    await new Promise(setImmediate)
    collect()
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}

/** Fails when `attack`, made once before to warm up, leaves more than `bytesMax` behind. */
export async function leavesLittle(bytesMax: number, attack: () => Promise<void>): Promise<void> {
  await attack()
  const before = await heapBytes()
  await attack()
  const grown = (await heapBytes()) - before
  assert.ok(grown < bytesMax, `${grown} bytes were left behind`)
}
