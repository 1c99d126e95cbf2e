// What a node counts, for Prometheus: the counters of `mesh.stats()` under stable names, and what Node.js tells of the process.
// Labels come from closed sets only, so that no peer can make the output grow. docs/cli.md, "Metrics".

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { ERROR_FAULTS } from '../../lib/errors.ts'
import type { IgnoreReason, RejectReason } from '../../lib/flood/router.ts'
import type { BundleVerdict } from '../../lib/flood/validation.ts'
import type { MeshStats } from '../../lib/types.ts'

/** What a bundle is ignored or rejected for. */
const VERDICT_REASONS: Readonly<Record<IgnoreReason | RejectReason, true>> = {
  'unknown-version': true,
  'too-old': true,
  expired: true,
  'old-epoch': true,
  'no-room': true,
  equivocation: true,
  malformed: true,
  'bad-origin': true,
  'bad-signature': true,
}
/** What the checks of a program say of a bundle. */
const VERDICTS: Readonly<Record<BundleVerdict, true>> = { accept: true, ignore: true, reject: true, overdue: true }
/** What prom-client's gauges of the event loop show before their first sample: a mean of nothing, and the greatest number. */
const NO_SAMPLE = /^nodejs_eventloop_lag_mean_seconds nan$/im
const SAMPLED = /^nodejs_eventloop_lag_(?:min|max|mean|stddev|p\d\d)_seconds .*\n/gm
/** An output is used again for so long: on the port of the mesh anybody may ask. */
const FRESH_MS = 1_000

type Values = Readonly<Record<string, number>>
type Label = 'reason' | 'code' | 'verdict'

interface Row {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  /** With a label, a value for each of its values. */
  readonly label?: Label
  read(stats: MeshStats): number | Values
}

/** Names by the conventions of Prometheus: units in the name, `_total` for what only grows. */
export const ROWS: readonly Row[] = [
  gauge('meshd_neighbours', 'Open links.', (s) => s.neighbours),
  gauge('meshd_nodes', 'Nodes of the mesh that are known.', (s) => s.nodes),
  counter('meshd_published_messages_total', 'Messages that this node published.', (s) => s.published.messages),
  counter('meshd_published_bundles_total', 'Bundles that they went in.', (s) => s.published.bundles),
  counter('meshd_published_bytes_total', 'Their payloads.', (s) => s.published.bytes),
  counter('meshd_delivered_messages_total', 'Messages given to subscribers.', (s) => s.delivered.messages),
  counter('meshd_delivered_bytes_total', 'Their payloads.', (s) => s.delivered.bytes),
  counter(
    'meshd_reordered_messages_total',
    'Messages among them that waited for earlier ones of their origin.',
    (s) => s.delivered.reordered,
  ),
  counter('meshd_accepted_bundles_total', 'Bundles received that were new and good.', (s) => s.bundles.accepted),
  counter('meshd_duplicate_bundles_total', 'Bundles received again.', (s) => s.bundles.duplicate),
  counter('meshd_ignored_bundles_total', 'Bundles ignored, by reason.', (s) => s.bundles.ignored, 'reason'),
  counter('meshd_rejected_bundles_total', 'Bundles provably wrong, by reason.', (s) => s.bundles.rejected, 'reason'),
  counter('meshd_checked_bundles_total', 'Bundles judged by checks, by verdict.', (s) => s.bundles.checked, 'verdict'),
  counter('meshd_link_received_bytes_total', 'Bytes that came over links.', (s) => s.links.bytesIn),
  counter('meshd_link_sent_bytes_total', 'Bytes that went over links.', (s) => s.links.bytesOut),
  counter('meshd_link_received_frames_total', 'Frames that came over links.', (s) => s.links.framesIn),
  counter('meshd_link_sent_frames_total', 'Frames that went over links.', (s) => s.links.framesOut),
  counter('meshd_link_unknown_frames_total', 'Frames of a type not known here.', (s) => s.links.unknownFrames),
  counter('meshd_link_dropped_bundles_total', 'Bundles dropped for slow neighbours.', (s) => s.links.bundlesDropped),
  counter(
    'meshd_link_withdrawn_bundles_total',
    'Bundles not sent because the neighbour had them by then.',
    (s) => s.links.bundlesWithdrawn,
  ),
  counter(
    'meshd_link_announced_bundles_total',
    'Bundles not sent because the neighbour gets them from elsewhere: told of instead.',
    (s) => s.links.bundlesAnnounced,
  ),
  counter(
    'meshd_link_declined_origins_total',
    'Times that a neighbour was asked not to send an origin by itself.',
    (s) => s.links.declined,
  ),
  counter('meshd_link_grafts_total', 'Times that it was asked to send one again.', (s) => s.links.grafts),
  gauge('meshd_link_queued_bytes', 'Bytes that wait for neighbours.', (s) => s.links.queuedBytes),
  counter('meshd_refused_connections_total', 'Connections that never opened, by error code.', (s) => s.refused, 'code'),
  counter('meshd_closed_links_total', 'Links that ended, by error code.', (s) => s.closed, 'code'),
  gauge('meshd_seen_origins', 'Origins whose messages are remembered.', (s) => s.seen.origins),
  gauge('meshd_seen_epochs', 'Their runs.', (s) => s.seen.epochs),
  gauge('meshd_seen_ranges', 'Ranges of message numbers remembered of them.', (s) => s.seen.ranges),
  gauge('meshd_store_bundles', 'Bundles kept for repair and history.', (s) => s.store.bundles),
  gauge('meshd_store_bytes', 'Their size.', (s) => s.store.bytes),
  gauge('meshd_store_pending_bytes', 'Bytes that wait for the disk.', (s) => s.store.pendingBytes),
  counter('meshd_store_unsaved_bundles_total', 'Bundles that the disk did not take.', (s) => s.store.notSaved),
  counter('meshd_repair_received_bundles_total', 'Bundles that came because asked for.', (s) => s.repair.received),
  counter('meshd_repair_given_bundles_total', 'Bundles given to neighbours that asked.', (s) => s.repair.given),
  counter('meshd_repair_requests_total', 'Requests for missing bundles.', (s) => s.repair.requests),
  counter('meshd_repair_request_timeouts_total', 'Those without an answer in time.', (s) => s.repair.timeouts),
  counter('meshd_repair_sent_claims_bytes_total', 'Bytes spent on telling what is held.', (s) => s.repair.haveBytesOut),
  counter('meshd_repair_received_claims_bytes_total', 'Bytes of what others hold.', (s) => s.repair.haveBytesIn),
]

export interface MetricsParts {
  /** Null while the node is not running. */
  stats(): MeshStats | null
  /** `meshd/0.1.0`. */
  readonly agent: string
  /** Monotonic. */
  nowMs(): number
}

export class Metrics {
  readonly #parts: MetricsParts
  readonly #registry = new Registry()
  readonly #shown: { readonly row: Row; readonly metric: Counter | Gauge }[]
  #rendered: Promise<string> | null = null
  #renderedMs = 0

  constructor(parts: MetricsParts) {
    this.#parts = parts
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#shown = ROWS.map((row) => {
      const settings = { name: row.name, help: row.help, labelNames: row.label ? [row.label] : [], registers }
      return { row, metric: row.kind === 'counter' ? new Counter(settings) : new Gauge(settings) }
    })
    const version = parts.agent.split('/')[1] ?? ''
    const help = 'Version of meshd.'
    new Gauge({ name: 'meshd_build_info', help, labelNames: ['version'], registers }).set({ version }, 1)
  }

  /** The text format of Prometheus, with its content type. */
  async render(): Promise<{ type: string; text: string }> {
    const nowMs = this.#parts.nowMs()
    if (this.#rendered === null || nowMs - this.#renderedMs >= FRESH_MS) {
      this.#renderedMs = nowMs
      this.#read()
      this.#rendered = this.#registry.metrics().then(withoutSamplesOfNothing)
    }
    return { type: this.#registry.contentType, text: await this.#rendered }
  }

  #read(): void {
    const stats = this.#parts.stats()
    if (stats === null) return
    for (const { row, metric } of this.#shown) {
      const read = row.read(stats)
      metric.reset()
      if (typeof read === 'number') metric.inc(read)
      else for (const [value, count] of closedSet(read)) metric.inc({ [row.label!]: value }, count)
    }
  }
}

const CLOSED_SETS: readonly object[] = [ERROR_FAULTS, VERDICT_REASONS, VERDICTS]

/** What is in none of the sets is counted together. */
function closedSet(values: Values): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [value, count] of Object.entries(values)) {
    const isKnown = CLOSED_SETS.some((set) => Object.hasOwn(set, value))
    const key = isKnown ? value : 'other'
    counts.set(key, (counts.get(key) ?? 0) + count)
  }
  return counts
}

function withoutSamplesOfNothing(text: string): string {
  return NO_SAMPLE.test(text) ? text.replace(SAMPLED, '') : text
}

function gauge(name: string, help: string, read: Row['read']): Row {
  return { name, help, kind: 'gauge', read }
}

function counter(name: string, help: string, read: Row['read'], label?: Label): Row {
  return { name, help, kind: 'counter', read, ...(label === undefined ? {} : { label }) }
}
