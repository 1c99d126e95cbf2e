// Two Streams joined through real send queues over a wire of the test's own: it has a delay, a rate, and may be held shut in
// either direction. Time is virtual; only Node's own stream machinery runs in real turns.

import type { MeshError } from '../../lib/errors.ts'
import { FrameReader } from '../../lib/framing/frames.ts'
import { RECORD_PLAIN_BYTES_MAX } from '../../lib/limits.ts'
import { type QueueBudget, SendQueue } from '../../lib/link/send-queue.ts'
import type { WindowBudget } from '../../lib/streams/credit-pool.ts'
import type { MeshStream } from '../../lib/streams/duplex.ts'
import { StreamRegistry } from '../../lib/streams/registry.ts'
import { Streams } from '../../lib/streams/streams.ts'

export interface PairOptions {
  /** One way, in virtual milliseconds. */
  readonly delayMs?: number
  /** Of each direction; default: no bound. */
  readonly bytesPerMs?: number
  /** What the link's own pings say; default: twice the delay. */
  readonly roundTripMs?: number | null
  readonly budget?: WindowBudget
}

/** A turn of the real event loop: lets promises and Node's next ticks run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export class End {
  readonly registry: StreamRegistry = new StreamRegistry()
  readonly queue: SendQueue
  readonly streams: Streams
  readonly queueBudget: QueueBudget = { bytes: 0, bytesMax: 64 * 1_048_576 }
  readonly budget: WindowBudget
  readonly warnings: string[] = []
  /** What came in and broke the rules. */
  fault: Error | null = null
  /** Nothing leaves while this is set: the other end does not read. */
  isShut = false
  readonly reader: FrameReader = new FrameReader()
  readonly deferred: (() => void)[] = []
  /** Types of the frames that came. */
  readonly heard: number[] = []
  readonly onTheWay: { readonly atMs: number; readonly bytes: Uint8Array }[] = []
  sentBytes = 0
  allowance = 0

  constructor(pair: Pair, isDialer: boolean, options: PairOptions) {
    this.queue = new SendQueue(this.queueBudget)
    this.budget = options.budget ?? { bytes: 0, bytesMax: 64 * 1_048_576 }
    this.streams = new Streams({
      isDialer,
      peer: isDialer ? 'listener' : 'dialer',
      registry: this.registry,
      budget: this.budget,
      carrier: {
        send: (frame) => this.queue.push('stream', frame),
        control: (frame) => this.queue.push('control', frame),
        withdraw: (frame) => this.queue.withdraw(frame),
      },
      nowMs: () => pair.nowMs,
      endOfTurn: (run) => this.deferred.push(run),
      roundTripMs: () => (options.roundTripMs === undefined ? 2 * (options.delayMs ?? 0) : options.roundTripMs),
      handlerFailed: (protocol, reason) => this.warnings.push(`${protocol}: ${reason}`),
    })
  }

  /** Runs what was put off to the end of the turn. */
  endTurn(): void {
    for (const run of this.deferred.splice(0)) run()
  }
}

export class Pair {
  nowMs = 1_000
  readonly dialer: End
  readonly listener: End
  readonly #delayMs: number
  readonly #bytesPerMs: number

  constructor(options: PairOptions = {}) {
    this.#delayMs = options.delayMs ?? 0
    this.#bytesPerMs = options.bytesPerMs ?? Number.POSITIVE_INFINITY
    this.dialer = new End(this, true, options)
    this.listener = new End(this, false, options)
  }

  /** Opens a stream from the dialer and returns both ends of it. */
  async open(name = '/test/1'): Promise<{ near: MeshStream; far: MeshStream }> {
    let far: MeshStream | null = null
    let near: MeshStream | null = null
    this.listener.registry.handle(name, (stream) => {
      far = stream
    })
    void this.dialer.streams.open([name]).then((stream) => {
      near = stream
    })
    await this.until(() => near !== null && far !== null)
    this.listener.registry.unhandle(name)
    return { near: near!, far: far! }
  }

  /** Moves bytes both ways, and lets the programs answer. */
  async step(): Promise<void> {
    this.#move(this.dialer, this.listener)
    this.#move(this.listener, this.dialer)
    this.dialer.endTurn()
    this.listener.endTurn()
    await turn()
  }

  /** Steps, with time going on by `stepMs` (default: the delay) each, until `isDone`. */
  async until(isDone: () => boolean, stepMs: number = this.#delayMs, stepsMax: number = 100_000): Promise<void> {
    for (let steps = 0; !isDone(); steps++) {
      if (steps === stepsMax) throw new Error('it does not come to an end')
      await this.step()
      this.nowMs += stepMs
    }
  }

  /** Steps until nothing moves any more. */
  async settle(): Promise<void> {
    const work = (): number => this.dialer.queue.begun + this.listener.queue.begun
    for (let quiet = 0, before = -1; quiet < 4; ) {
      const isIdle =
        work() === before &&
        [this.dialer, this.listener].every(({ deferred, onTheWay }) => deferred.length + onTheWay.length === 0)
      quiet = isIdle ? quiet + 1 : 0
      before = work()
      await this.step()
      this.nowMs += this.#delayMs
    }
  }

  /** The link breaks: both ends are told. */
  close(error: MeshError): void {
    for (const end of [this.dialer, this.listener]) {
      end.queue.clear()
      end.streams.closed(error)
    }
  }

  #move(from: End, to: End): void {
    if (!from.isShut) {
      from.allowance = Math.min(from.allowance + this.#bytesPerMs, Math.max(this.#bytesPerMs, RECORD_PLAIN_BYTES_MAX))
      // As a link does: so much a turn, that no more than this waits in its socket.
      for (let filled = 0; filled < 262_144; ) {
        const length = Math.min(RECORD_PLAIN_BYTES_MAX, Math.floor(from.allowance))
        const record = new Uint8Array(length)
        const end = from.queue.fill(record, 0, length, this.nowMs)
        if (end === 0) break
        filled += end
        from.sentBytes += end
        from.allowance -= end
        to.onTheWay.push({ atMs: this.nowMs + this.#delayMs, bytes: record.subarray(0, end) })
      }
    }
    while (to.onTheWay[0] !== undefined && to.onTheWay[0].atMs <= this.nowMs) {
      to.reader.push(to.onTheWay.shift()!.bytes)
      for (let frame = to.reader.next(); frame !== null; frame = to.reader.next()) {
        to.heard.push(frame.type)
        if (to.fault !== null) continue
        try {
          to.streams.received(frame.type, frame.body)
        } catch (error) {
          to.fault = error as Error
        }
      }
    }
  }
}
