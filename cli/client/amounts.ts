// Times and sizes in words, short enough for a table.

const UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]
const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** `3 h 12 min`, `45 s`, `120 ms`: the two greatest units. */
export function duration(ms: number): string {
  for (const [i, [unit, name]] of UNITS.entries()) {
    if (ms < unit) continue
    const next = UNITS[i + 1]
    const rest = next === undefined ? 0 : Math.floor((ms % unit) / next[0])
    return rest === 0 ? `${Math.floor(ms / unit)} ${name}` : `${Math.floor(ms / unit)} ${name} ${rest} ${next![1]}`
  }
  return `${Math.round(ms)} ms`
}

/** `12.3 ms`. */
export function milliseconds(ms: number): string {
  return `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`
}

/** `512 B`, `1.5 MiB`. */
export function size(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 1_024 && unit < SIZES.length - 1) {
    value /= 1_024
    unit++
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${SIZES[unit]}`
}
