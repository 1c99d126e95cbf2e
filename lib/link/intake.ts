// What comes in on an open link: bytes to records to frames, in portions, so that one fast neighbour cannot keep the others
// waiting. It does not know what frames mean. docs/protocol.md, "Records" and "Frames".

import { MeshError } from '../errors.ts'
import type { Frame, FrameReader } from '../framing/frames.ts'
import { openedLength, type RecordOpener, type RecordReader } from '../framing/records.ts'
import type { Clock, Socket } from '../io/world.ts'
import { FRAMES_PER_TURN_MAX, TURN_MS_MAX } from '../limits.ts'

/** Holds back all links while this node can take no more: see `Intake`. */
export interface Brake {
  readonly isOn: boolean
  /** Calls `run` once: when it is off again, or sooner with the bytes that may be read all the same. */
  whenOff(run: (bytesMax: number) => void): void
}

/** The half of an opened connection that is read. */
export interface IntakeParts {
  readonly socket: Socket
  readonly records: RecordReader
  readonly frames: FrameReader
  readonly opener: RecordOpener
}

export interface IntakeEvents {
  /** False once nothing more is to be read. */
  isReading(): boolean
  /** Throwing a MeshError with a remote fault ends the reading by `fault`. */
  frame(frame: Frame): void
  /** Part of a large frame is here: see FrameReader.underWay. Called again whenever more of it came. */
  underWay(type: number, start: Uint8Array, length: number): void
  fault(error: MeshError): void
}

export class Intake {
  readonly #parts: IntakeParts
  readonly #clock: Clock
  readonly #brake: Brake
  readonly #events: IntakeEvents
  /** What is left of the input is read later: out of turn, or held back. */
  #isPaused = false
  /** Bytes that may be read though the brake is on. */
  #bytesAllowed = 0

  constructor(parts: IntakeParts, clock: Clock, brake: Brake, events: IntakeEvents) {
    this.#parts = parts
    this.#clock = clock
    this.#brake = brake
    this.#events = events
  }

  /** `bytes` are good for this call only. */
  received(bytes: Uint8Array, nowMs: number): void {
    this.#parts.records.push(bytes)
    if (!this.#isPaused) this.read(nowMs)
    this.#parts.records.keep()
  }

  /** Reads on, as far as the turn that began at `startMs` may. */
  read(startMs: number): void {
    const { records, frames, opener } = this.#parts
    let count = 0
    try {
      if (!this.#mayGoOn()) return
      for (;;) {
        const frame = frames.next()
        if (frame !== null) {
          this.#events.frame(frame)
          if (!this.#mayGoOn()) return
          // A frame that was the last of what is here ends the turn by itself.
          const isMore = frames.bufferedBytes > 0 || records.bufferedBytes > 0
          if (isMore && (++count >= FRAMES_PER_TURN_MAX || this.#clock.nowMs() - startMs >= TURN_MS_MAX)) {
            return this.#pause((resume) => this.#clock.endOfTurn(resume))
          }
          continue
        }
        // Also in the middle of a large frame: that may have more than the brake allows.
        if (!this.#mayGoOn()) return
        const record = records.next()
        if (record === null) return this.#tellUnderWay()
        this.#bytesAllowed = Math.max(0, this.#bytesAllowed - record.length)
        const place = frames.landing(openedLength(record))
        if (place === null) {
          frames.push(opener.open(record))
        } else {
          opener.openInto(record, place)
          frames.landed(place.length)
        }
      }
    } catch (error) {
      if (!(error instanceof MeshError) || error.fault !== 'remote') throw error
      this.#events.fault(error)
    }
  }

  #tellUnderWay(): void {
    const begun = this.#parts.frames.underWay
    if (begun !== null) this.#events.underWay(begun.type, begun.start, begun.length)
  }

  /** False: nothing more is to be read, or not before the brake lets it. */
  #mayGoOn(): boolean {
    if (!this.#events.isReading()) return false
    if (this.#bytesAllowed > 0 || !this.#brake.isOn) return true
    this.#pause((resume) => this.#brake.whenOff(resume))
    return false
  }

  #pause(until: (resume: (bytesMax?: number) => void) => void): void {
    if (!this.#events.isReading()) return
    this.#isPaused = true
    this.#parts.socket.pause()
    until((bytesMax = this.#bytesAllowed) => {
      this.#isPaused = false
      this.#bytesAllowed = bytesMax
      if (this.#events.isReading()) this.read(this.#clock.nowMs())
      // Also when nothing is read any more: a paused socket does not notice that its other end has left.
      if (!this.#isPaused) this.#parts.socket.resume()
    })
  }
}
