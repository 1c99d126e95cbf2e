// `meshd status`, `peers`, `nodes`, `topics`: what the running node tells of itself, as tables that fit the terminal or with
// --json as one object a line. docs/cli.md, "Looking at the node".

import type { TopicCount } from '../../lib/flood/topic-counts.ts'
import { shortId } from '../../lib/identity/peer-id.ts'
import type { MeshStats, NeighbourSnapshot, NodeSnapshot } from '../../lib/types.ts'
import { EXIT } from '../failures.ts'
import { jsonLine } from '../json-events.ts'
import type { OutputStream } from '../mode.ts'
import { duration, milliseconds, size } from './amounts.ts'
import type { CommandContext } from './perform.ts'
import { type Column, facts, table } from './table.ts'

interface Status {
  readonly id: string
  readonly name: string
  readonly network: string
  readonly agent: string
  readonly dataDir: string | null
  readonly addresses: readonly string[]
  readonly pid: number
  readonly upMs: number
  readonly stats: MeshStats
}

/** By --timeout. Long enough for a list of ten thousands. */
const TIMEOUT_MS = 10_000

export async function status(context: CommandContext): Promise<number> {
  const given = await context.client.get('/v1/status', {}, context.settings.timeoutMs ?? TIMEOUT_MS)
  const { stdout } = context.host
  if (context.settings.json) {
    stdout.write(jsonLine(given))
    return EXIT.done
  }
  const { id, name, network, agent, dataDir, addresses, pid, upMs, stats } = given as unknown as Status
  const { published, delivered, store, links } = stats
  const rows: [string, string][] = [
    ['id', id],
    ['name', name],
    ['network', network],
    ['program', `${agent}, process ${pid}, up for ${duration(upMs)}`],
    ...addresses.map((address, i): [string, string] => [i === 0 ? 'listening' : '', address]),
    ...(addresses.length === 0 ? [['listening', 'nowhere'] as [string, string]] : []),
    ['neighbours', String(stats.neighbours)],
    ['nodes', `${stats.nodes} in the network, this one included`],
    ['published', amount(published)],
    ['delivered', amount(delivered)],
    ['stored', `${store.bundles} bundles, ${size(store.bytes)}`],
    ['links', `${size(links.bytesIn)} in, ${size(links.bytesOut)} out, ${size(links.queuedBytes)} waiting`],
    ['data folder', dataDir ?? 'none'],
  ]
  stdout.write(facts(rows, columnsOf(stdout)))
  return EXIT.done
}

export function peers(context: CommandContext): Promise<number> {
  const head: readonly Column[] = [
    { title: 'NAME', isFlexible: true },
    { title: 'ID' },
    { title: 'STATE' },
    { title: 'ADDRESS', isFlexible: true },
    { title: 'TIME', alignRight: true },
    { title: 'OPEN FOR' },
    { title: 'NOTE', isFlexible: true },
  ]
  return list<NeighbourSnapshot>(context, 'peers', head, (peer, id) => [
    peer.name ?? '',
    peer.peer === null ? '' : id(peer.peer),
    peer.state === 'open' ? `open, ${peer.direction}` : peer.state,
    reachedAt(peer.address),
    peer.roundTripMs === null ? '' : milliseconds(peer.roundTripMs),
    peer.openForMs === null ? '' : duration(peer.openForMs),
    noteOf(peer),
  ])
}

export function nodes(context: CommandContext): Promise<number> {
  const head: readonly Column[] = [
    { title: 'NAME', isFlexible: true },
    { title: 'ID' },
    { title: 'LINKS AWAY' },
    { title: 'NEIGHBOURS', alignRight: true },
    { title: 'HEARD' },
    { title: 'PROGRAM', isFlexible: true },
  ]
  return list<NodeSnapshot>(context, 'nodes', head, (node, id) => [
    node.name,
    id(node.peer),
    !node.up ? 'gone' : node.hops === null ? 'unknown' : node.hops === 0 ? 'this node' : String(node.hops),
    String(node.neighbours.length),
    node.hops === 0 ? '' : `${duration(node.lastHeardMs)} ago`,
    node.agent,
  ])
}

export function topics(context: CommandContext): Promise<number> {
  const head: readonly Column[] = [
    { title: 'TOPIC', isFlexible: true },
    { title: 'MESSAGES', alignRight: true },
    { title: 'SIZE', alignRight: true },
    { title: 'LAST' },
  ]
  return list<TopicCount>(context, 'topics', head, ({ topic, messages, bytes, lastMs }) => [
    topic,
    String(messages),
    size(bytes),
    `${duration(lastMs)} ago`,
  ])
}

async function list<T>(
  { client, settings, host: { stdout } }: CommandContext,
  name: string,
  head: readonly Column[],
  row: (item: T, id: (peer: string) => string) => string[],
): Promise<number> {
  const answer = await client.get(`/v1/${name}`, {}, settings.timeoutMs ?? TIMEOUT_MS)
  const items = answer[name] as T[]
  const columns = columnsOf(stdout)
  // On a terminal ids are short, so that the rest has room; either form is understood as PEER.
  const id = (peer: string): string => (columns === null ? peer : shortId(peer))
  if (settings.json) for (const item of items) stdout.write(jsonLine(item as object))
  else
    stdout.write(
      table(
        head,
        items.map((item) => row(item, id)),
        columns,
      ),
    )
  return EXIT.done
}

function columnsOf(stdout: OutputStream & { readonly columns?: number }): number | null {
  return stdout.isTTY === true ? (stdout.columns ?? 80) : null
}

function amount({ messages, bytes }: { messages: number; bytes: number }): string {
  return `${messages} ${messages === 1 ? 'message' : 'messages'}, ${size(bytes)}`
}

/** `host:port` where the multiaddr is of a usual form, else as it is. */
function reachedAt(address: string): string {
  const [, kind, host, port] = /^\/(ip4|ip6|dns[46]?)\/([^/]+)\/tcp\/([0-9]+)(?:\/p2p\/[^/]+)?$/.exec(address) ?? []
  if (host === undefined) return address
  return `${kind === 'ip6' ? `[${host}]` : host}:${port}`
}

function noteOf({ flood, lastError, retryInMs, queuedBytes }: NeighbourSnapshot): string {
  const parts = [
    ...(flood === 'lazy' ? ['lazy'] : []),
    ...(queuedBytes > 0 ? [`${size(queuedBytes)} waiting`] : []),
    ...(retryInMs === null ? [] : [`next try in ${duration(retryInMs)}`]),
    ...(lastError === null ? [] : [lastError]),
  ]
  return parts.join('; ')
}
