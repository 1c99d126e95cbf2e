// Publishes for all three ways of talking, and says so once when nobody was there to hear: a node without neighbours takes
// messages without complaint, and a person would think that they had arrived.

import { MeshError } from '../lib/errors.ts'
import type { Receipt } from '../lib/types.ts'
import type { MeshNode } from './mode.ts'

export class Speaker {
  readonly #mesh: Pick<MeshNode, 'publish'>
  readonly #stopping: AbortSignal
  readonly #warn: (code: string, text: string) => void
  /** Messages in a row that no neighbour took. */
  #unheard = 0

  /** `warn` is told `no-neighbours` once for each silence, and at its end how many messages fell into it. */
  constructor(mesh: Pick<MeshNode, 'publish'>, stopping: AbortSignal, warn: (code: string, text: string) => void) {
    this.#mesh = mesh
    this.#stopping = stopping
    this.#warn = warn
  }

  /** True when the node took it, false when the node stops. Rejects with MeshError (`bad-topic`, `too-large`, …). */
  async say(topic: string, data: Uint8Array | string): Promise<boolean> {
    if (this.#stopping.aborted) return false
    try {
      this.#note(await this.#mesh.publish(topic, data, { signal: this.#stopping }))
      return true
    } catch (error) {
      // Whatever the node says of a publication while it stops, the reason is that it stops.
      if (this.#stopping.aborted && error instanceof MeshError) return false
      throw error
    }
  }

  #note({ neighbours }: Receipt): void {
    if (neighbours.some(({ outcome }) => outcome === 'queued')) {
      if (this.#unheard > 1)
        this.#warn('neighbours-again', `${this.#unheard} messages reached nobody; now they do again`)
      this.#unheard = 0
    } else if (++this.#unheard === 1) {
      this.#warn('no-neighbours', 'no neighbour is connected, so nobody gets this message')
    }
  }
}
