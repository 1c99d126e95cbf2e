// What all neighbours together are being asked for, so that nothing is asked of two at once. docs/protocol.md, "Repair".

import { exclude, include, type Spans, touches, without } from './spans.ts'

export class AskedNumbers {
  readonly #origins = new Map<string, Map<number, number[]>>()

  /** Nothing is being asked of anyone. */
  get isEmpty(): boolean {
    return this.#origins.size === 0
  }

  /** `spans` without what somebody is being asked for. */
  leftOf(originKey: string, epoch: number, spans: Spans): Spans {
    const asked = this.#origins.get(originKey)?.get(epoch)
    return asked === undefined ? spans : without(spans, asked)
  }

  /** Whether somebody is being asked for any of first…last. */
  touches(originKey: string, epoch: number, first: number, last: number): boolean {
    const asked = this.#origins.get(originKey)?.get(epoch)
    return asked !== undefined && touches(asked, first, last)
  }

  /** None of `spans` is in it. */
  add(originKey: string, epoch: number, spans: Spans): void {
    let epochs = this.#origins.get(originKey)
    if (epochs === undefined) {
      epochs = new Map()
      this.#origins.set(originKey, epochs)
    }
    let asked = epochs.get(epoch)
    if (asked === undefined) {
      asked = []
      epochs.set(epoch, asked)
    }
    for (let at = 0; at < spans.length; at += 2) include(asked, spans[at]!, spans[at + 1]!)
  }

  /** All of `spans` are in it. */
  remove(originKey: string, epoch: number, spans: Spans): void {
    const epochs = this.#origins.get(originKey)
    const asked = epochs?.get(epoch)
    if (epochs === undefined || asked === undefined) return
    for (let at = 0; at < spans.length; at += 2) exclude(asked, spans[at]!, spans[at + 1]!)
    if (asked.length > 0) return
    epochs.delete(epoch)
    if (epochs.size === 0) this.#origins.delete(originKey)
  }
}
