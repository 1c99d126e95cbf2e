// What a run yields, and how runs are summed up: medians, and percentiles of latencies counted in buckets.

/** What one run measured; what means nothing for a work is absent. Times are milliseconds unless they say otherwise. */
export interface Figures {
  /** Deliveries, links or messages a second: what the work counts. */
  perSecond?: number
  /** Payload delivered, 10^6 bytes a second. */
  megabytesPerSecond?: number
  /** User and system time of all processes, per delivery or per link. */
  cpuUs?: number
  p50Ms?: number
  p99Ms?: number
  /** The most that any node had at any time since its start. */
  rssBytesMax?: number
  /** Bytes over the loopback interface, headers and acknowledgements included, for each byte of payload delivered. */
  wirePerUseful?: number
  published?: number
  lost?: number
  duplicates?: number
  /** Payloads that are not what was published. */
  corrupt?: number
  /** Of the accepting process, after a collection. */
  rssBytesPerLink?: number
  heapBytesPerLink?: number
  /** Share of one core that an idle node takes. */
  idleCpuFraction?: number
  idleRssBytes?: number
  /** Cores that processes outside the run used meanwhile. */
  otherCores?: number
}

/** These are summed up by their worst run: one run that loses is worth knowing. */
const WORST: ReadonlySet<keyof Figures> = new Set(['lost', 'duplicates', 'corrupt', 'otherCores'])

/** Each figure by its own median, over the runs that have it. */
export function summed(runs: readonly Figures[]): Figures {
  const names = new Set(runs.flatMap((run) => Object.keys(run))) as Set<keyof Figures>
  const sum: Figures = {}
  for (const name of names) {
    const values = runs.map((run) => run[name]).filter((value) => value !== undefined)
    sum[name] = WORST.has(name) ? Math.max(...values) : median(values)
  }
  return sum
}

/** The middle one; of an even number the lower of the two in the middle, so that it is always one that was measured. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values')
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!
}

/** Buckets of one in fifty, from a microsecond upwards: how many latencies fell into each. */
export type Histogram = Map<number, number>

const BUCKET_RATIO = Math.log(1.02)
const BUCKET_FLOOR_MS = 0.001

export function countLatency(histogram: Histogram, ms: number): void {
  const bucket = ms <= BUCKET_FLOOR_MS ? 0 : Math.ceil(Math.log(ms / BUCKET_FLOOR_MS) / BUCKET_RATIO)
  histogram.set(bucket, (histogram.get(bucket) ?? 0) + 1)
}

export function joinHistograms(histograms: Iterable<Iterable<readonly [number, number]>>): Histogram {
  const whole: Histogram = new Map()
  for (const histogram of histograms) {
    for (const [bucket, count] of histogram) whole.set(bucket, (whole.get(bucket) ?? 0) + count)
  }
  return whole
}

/** The latency that `fraction` of them do not exceed, up to a fiftieth too high; undefined of none. */
export function percentile(histogram: Histogram, fraction: number): number | undefined {
  const buckets = [...histogram].sort(([a], [b]) => a - b)
  const wanted = fraction * buckets.reduce((sum, [, count]) => sum + count, 0)
  let counted = 0
  for (const [bucket, count] of buckets) {
    counted += count
    if (counted >= wanted) return BUCKET_FLOOR_MS * Math.exp(bucket * BUCKET_RATIO)
  }
  return undefined
}
