// A way of talking that says first that the node listens. Between the start and that word the local socket is made, and a node
// with a store knows others and has messages before it listens: all of that is told behind it, in order. Warnings are not
// held back: they may say why it never comes to listen. It lasts as long as a few calls of the system take.

import type { MeshEvents, Message } from '../lib/types.ts'
import type { FileReceived } from './files/receiver.ts'
import type { Mode } from './mode.ts'

/** What a mode is told of. */
export type Told = Omit<Mode, 'begin' | 'end' | 'stopped'>

export class ListeningFirst implements Told {
  readonly #mode: Told
  /** What has happened before the node listens; null when that was told. */
  #held: (() => void)[] | null = []
  #isOver = false

  constructor(mode: Told) {
    this.#mode = mode
  }

  listening(...event: MeshEvents['listening']): void {
    this.#mode.listening(...event)
    const held = this.#held ?? []
    this.#held = null
    for (const tell of held) tell()
  }

  /** What is held back now will not be told any more, and nobody waits for it. */
  end(): void {
    if (this.#held === null) return
    this.#isOver = true
    for (const tell of this.#held.splice(0)) tell()
  }

  message(message: Message): Promise<void> | undefined {
    if (this.#held === null) return this.#mode.message(message)
    if (this.#isOver) return undefined
    return new Promise((resolve) => {
      this.#held!.push(() => resolve(this.#isOver ? undefined : this.#mode.message(message)))
    })
  }

  neighbourUp(...event: MeshEvents['neighbourUp']): void {
    this.#happened(() => this.#mode.neighbourUp(...event))
  }

  neighbourDown(...event: MeshEvents['neighbourDown']): void {
    this.#happened(() => this.#mode.neighbourDown(...event))
  }

  dialFailed(...event: MeshEvents['dialFailed']): void {
    this.#happened(() => this.#mode.dialFailed(...event))
  }

  nodeUp(...event: MeshEvents['nodeUp']): void {
    this.#happened(() => this.#mode.nodeUp(...event))
  }

  nodeDown(...event: MeshEvents['nodeDown']): void {
    this.#happened(() => this.#mode.nodeDown(...event))
  }

  gap(...event: MeshEvents['gap']): void {
    this.#happened(() => this.#mode.gap(...event))
  }

  httpListening(url: string): void {
    this.#happened(() => this.#mode.httpListening(url))
  }

  fileReceived(file: FileReceived): void {
    this.#happened(() => this.#mode.fileReceived(file))
  }

  warning(code: string, text: string): void {
    this.#mode.warning(code, text)
  }

  #happened(tell: () => void): void {
    if (this.#held === null) return tell()
    if (this.#isOver) return
    this.#held.push(() => {
      if (!this.#isOver) tell()
    })
  }
}
