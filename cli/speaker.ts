// Publishes for all three ways of talking, and says so once when nobody was there to hear: a node without neighbours takes
// messages without complaint, and a person would think that they had arrived.

import { MeshError } from '../lib/errors.ts'
import type { PublishOptions, Receipt } from '../lib/types.ts'
import type { MeshNode } from './mode.ts'

export interface SpeakerOptions {
  readonly mesh: Pick<MeshNode, 'publish'>
  readonly stopping: AbortSignal
  /** Told `no-neighbours` once for each silence, and at its end how many messages fell into it. */
  warn(code: string, text: string): void
  /** Hears of each message that the node took; the next one waits for it. */
  taken?(receipt: Receipt): Promise<void>
}

export class Speaker {
  readonly #options: SpeakerOptions
  /** Messages in a row that no neighbour took. */
  #unheard = 0

  constructor(options: SpeakerOptions) {
    this.#options = options
  }

  /** True when the node took it, false when the node stops. Rejects with MeshError (`bad-topic`, `too-large`, …). */
  async say(topic: string, data: Uint8Array | string, options: PublishOptions = {}): Promise<boolean> {
    const { mesh, stopping, taken } = this.#options
    if (stopping.aborted) return false
    try {
      const receipt = await mesh.publish(topic, data, { ...options, signal: stopping })
      this.#note(receipt)
      await taken?.(receipt)
      return true
    } catch (error) {
      // Whatever the node says of a publication while it stops, the reason is that it stops.
      if (stopping.aborted && error instanceof MeshError) return false
      throw error
    }
  }

  #note({ neighbours }: Receipt): void {
    const { warn } = this.#options
    if (neighbours.some(({ outcome }) => outcome !== 'dropped')) {
      if (this.#unheard > 1) warn('neighbours-again', `${this.#unheard} messages reached nobody; now they do again`)
      this.#unheard = 0
    } else if (++this.#unheard === 1) {
      warn('no-neighbours', 'no neighbour is connected; those who come while the message is kept get it then')
    }
  }
}
