// What a node does when it meets a genuine bundle of its own that this run did not make: its data folder was restored from a
// backup, or its identity is in use elsewhere. Once it moves past; the second time it stops publishing, since two nodes
// that number messages alike would silence each other. docs/protocol.md, "Epochs".

import { MeshError, reasonOf } from '../errors.ts'
import { epochAt } from '../identity/epoch-file.ts'
import { INTEGER_MAX } from '../limits.ts'
import type { Publisher } from './publisher.ts'

/** Moves in a run by the mere word of neighbours; a liar costs so many epochs and nothing else. */
const HINTED_MOVES_MAX = 4
/** A neighbour's word is believed as far as an honest clock could be ahead of ours. */
const AHEAD_MS_MAX = 86_400_000

export interface OwnEpochActions {
  /** An epoch beyond `after`, durable where there is a data folder. */
  nextEpoch(after: number): Promise<number>
  unixMs(): number
  warn(code: string, text: string): void
}

export class OwnEpoch {
  readonly #publisher: Publisher
  readonly #actions: OwnEpochActions
  #moves = 0
  #hintedMoves = 0
  #isMoving = false

  constructor(publisher: Publisher, actions: OwnEpochActions) {
    this.#publisher = publisher
    this.#actions = actions
  }

  /** A bundle of our own identity with this epoch came whose numbers are not of this run's making. */
  met(epoch: number): void {
    // Earlier epochs are our own past. While we move, more of the same changes nothing.
    if (epoch < this.#publisher.epoch || this.#isMoving) return
    this.#moves++
    if (this.#moves > 1 || epoch >= INTEGER_MAX) {
      const text = 'another node uses the identity of this one; publishing has stopped'
      return this.#giveUp(new MeshError('identity-in-use', text))
    }
    this.#moveBeyond(epoch)
  }

  /**
   * A neighbour says that it has seen this epoch of ours, without a proof: an earlier run's, of which no bundle is left and
   * our data folder does not know. Beyond it no number can have been used before.
   */
  hinted(epoch: number): void {
    if (epoch <= this.#publisher.epoch || this.#isMoving || this.#hintedMoves >= HINTED_MOVES_MAX) return
    if (epoch >= epochAt(this.#actions.unixMs() + AHEAD_MS_MAX)) return
    this.#hintedMoves++
    this.#moveBeyond(epoch)
  }

  #moveBeyond(epoch: number): void {
    this.#isMoving = true
    this.#publisher.pause()
    this.#actions.nextEpoch(epoch).then(
      (next) => {
        this.#isMoving = false
        this.#publisher.moveTo(next)
      },
      (cause: unknown) => {
        const text = `the epoch could not be saved, so publishing has stopped: ${reasonOf(cause)}`
        this.#giveUp(new MeshError('data-folder', text, { cause }))
      },
    )
  }

  #giveUp(error: MeshError): void {
    if (this.#publisher.close(error)) this.#actions.warn(error.code, error.message)
  }
}
