// What `meshd cp` shows: a line that is drawn anew on a terminal, events for programs with --json, and otherwise only what a
// person must know. docs/cli.md, "meshd cp".

import { shortId } from '../../lib/identity/peer-id.ts'
import { jsonLine } from '../json-events.ts'
import type { Host } from '../mode.ts'
import { printable } from '../printable.ts'
import type { Offer } from './messages.ts'
import { clock, inUnits, progressLine, Rate } from './progress.ts'
import type { Sent } from './sender.ts'

const DRAW_EVERY_MS = 100
const TELL_EVERY_MS = 1_000
const COLUMNS = 80
const CLEAR = '\r\x1b[K'

export class CopyDisplay {
  readonly #host: Pick<Host, 'stdout' | 'stderr' | 'nowMs'>
  readonly #json: boolean
  readonly #offer: Offer
  readonly #rate = new Rate()
  readonly #startedMs: number
  readonly #isTerminal: boolean
  #peer = ''
  #firstFrom: number | null = null
  #bytes = 0
  #drawnMs = Number.NEGATIVE_INFINITY
  #isDrawn = false

  constructor(host: Pick<Host, 'stdout' | 'stderr' | 'nowMs'>, { json }: { json: boolean }, offer: Offer) {
    this.#host = host
    this.#json = json
    this.#offer = offer
    this.#startedMs = host.nowMs()
    this.#isTerminal = !json && host.stderr.isTTY === true
  }

  /** The other node has everything up to `from`. */
  began(peer: string, from: number): void {
    const { name, size } = this.#offer
    this.#peer = peer
    this.#bytes = from
    this.#firstFrom ??= from
    this.#rate.restart()
    this.#rate.add(this.#host.nowMs(), from)
    this.#event({ event: 'started', peer, name, size, from })
    this.#draw()
  }

  moved(bytes: number): void {
    const { name, size } = this.#offer
    const nowMs = this.#host.nowMs()
    this.#bytes = bytes
    this.#rate.add(nowMs, bytes)
    const isDue = nowMs - this.#drawnMs >= (this.#json ? TELL_EVERY_MS : DRAW_EVERY_MS)
    if (!isDue && bytes < size) return
    if (this.#json) {
      this.#drawnMs = nowMs
      const bytesPerSecond = Math.round(this.#rate.bytesPerSecond)
      this.#event({ event: 'progress', name, bytes, size, bytesPerSecond })
    }
    this.#draw()
  }

  /** The next try is so far away. */
  waiting(reason: string, pauseMs: number): void {
    const retryInMs = Math.ceil(pauseMs)
    this.#event({ event: 'retry', reason: printable(reason), retryInMs })
    this.#say(`${printable(reason)}; next try in ${(retryInMs / 1000).toFixed(1)} s`)
  }

  done({ name, sha256 }: Sent): void {
    const { size, name: offered } = this.#offer
    const from = this.#firstFrom ?? 0
    const seconds = (this.#host.nowMs() - this.#startedMs) / 1000
    const event = { event: 'done', peer: this.#peer, name, bytes: size, sha256, from, seconds }
    this.#event(event)
    const shown = printable(name)
    if (this.#isTerminal) {
      const pace = seconds > 0 ? `, ${inUnits((size - from) / seconds)}/s` : ''
      const took = seconds < 10 ? `${seconds.toFixed(1)} s` : clock(Math.round(seconds))
      this.#say(`${shown}: ${inUnits(size)} in ${took}${pace}, verified at ${printable(shortId(this.#peer))}`)
    } else if (name !== offered) this.#say(`it is there under the name ${shown}`)
  }

  /** Nothing more is shown. */
  end(): void {
    if (this.#isDrawn) this.#host.stderr.write(CLEAR)
    this.#isDrawn = false
  }

  #draw(): void {
    if (!this.#isTerminal) return
    const { stderr } = this.#host
    const { name, size } = this.#offer
    const isAllSent = this.#bytes === size
    const columns = (stderr as { columns?: number }).columns ?? COLUMNS
    const progress = { name, bytes: this.#bytes, size, bytesPerSecond: this.#rate.bytesPerSecond }
    this.#drawnMs = this.#host.nowMs()
    this.#isDrawn = true
    stderr.write(`${CLEAR}${progressLine({ ...progress, ...(isAllSent ? { state: 'verifying' } : {}) }, columns)}`)
  }

  #say(text: string): void {
    if (this.#json) return
    this.end()
    this.#host.stderr.write(`meshd: ${text}\n`)
  }

  #event(event: object): void {
    if (this.#json) this.#host.stdout.write(jsonLine(event))
  }
}
