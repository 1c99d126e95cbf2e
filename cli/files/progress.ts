// How far a transfer has come, for people: one line of a terminal that is drawn anew. Text only; who prints it is elsewhere.

import { printable } from '../printable.ts'

/** The rate is that of the last seconds: what the line carries now. */
const WINDOW_MS = 5_000
const SAMPLES_MAX = 100
const NAME_COLUMNS_MAX = 30
const BAR_COLUMNS_MAX = 30

export class Rate {
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = []

  /** So many bytes have moved in all, at this time (monotonic). */
  add(atMs: number, bytes: number): void {
    const samples = this.#samples
    const [before, last] = samples.slice(-2)
    if (before !== undefined && last !== undefined && last.atMs - before.atMs < WINDOW_MS / SAMPLES_MAX) samples.pop()
    samples.push({ atMs, bytes })
    while (samples.length > 2 && atMs - samples[0]!.atMs > WINDOW_MS) samples.shift()
  }

  /** What was measured before a break says nothing about what comes after it. */
  restart(): void {
    this.#samples.length = 0
  }

  /** Bytes a second; 0 while nothing is known. */
  get bytesPerSecond(): number {
    const first = this.#samples[0]
    const last = this.#samples[this.#samples.length - 1]
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0
    return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs)
  }
}

export interface Progress {
  readonly name: string
  readonly bytes: number
  readonly size: number
  readonly bytesPerSecond: number
  /** In place of the time that is left: `verifying`, `waiting for …`. */
  readonly state?: string
}

/** One line of at most `columns - 1` characters. */
export function progressLine({ name, bytes, size, bytesPerSecond, state }: Progress, columns: number): string {
  const part = size === 0 ? 1 : bytes / size
  const percent = `${Math.floor(part * 100)}%`.padStart(4)
  const secondsLeft = bytesPerSecond > 0 ? Math.ceil((size - bytes) / bytesPerSecond) : null
  const end = state ?? (secondsLeft === null ? '' : `${clock(secondsLeft)} left`)
  const facts = `${percent}  ${inUnits(bytes).padStart(9)}  ${`${inUnits(bytesPerSecond)}/s`.padStart(11)}  ${end}`
  const shown = cut(printable(name), NAME_COLUMNS_MAX)
  const room = Math.min(BAR_COLUMNS_MAX, columns - 1 - shown.length - facts.length - 4)
  const bar = room < 5 ? '' : ` [${'#'.repeat(Math.round(part * room)).padEnd(room, '.')}]`
  return cut(`${shown}${bar} ${facts}`.trimEnd(), Math.max(1, columns - 1))
}

/** `1.5 MiB`. */
export function inUnits(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `0:07`, `12:34`, `1:02:03`. */
export function clock(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  if (hours > 99) return '99:59:59'
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

function cut(text: string, columns: number): string {
  const characters = [...text]
  return characters.length <= columns ? text : `${characters.slice(0, columns - 1).join('')}…`
}
