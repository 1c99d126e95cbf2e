// Results as Markdown. Reads and writes no files.

import type { Figures } from './figures.ts'
import type { PeerKind } from './peer.ts'
import type { MainFigure, Work } from './works.ts'

/** The runs of one peer on one work, summed up. */
export interface Cell {
  readonly work: Work
  readonly kind: PeerKind
  readonly runs: readonly Figures[]
  /** Null when no run came to an end. */
  readonly sum: Figures | null
}

const CPU: MainFigure = { name: 'cpuUs', label: 'CPU µs for each' }

type Rows = readonly (readonly string[])[]

/** The first column to the left, the others to the right, but those in `texts`, which are to the left too. */
export function table(head: readonly string[], rows: Rows, texts: readonly number[] = []): string {
  const rule = head.map((_, i) => (i === 0 || texts.includes(i) ? '---' : '--:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Three digits that count, thousands apart; a dash for nothing. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–'
  const rounded = Number(value.toPrecision(Math.abs(value) < 1 ? 2 : 3))
  return Math.abs(rounded) >= 1_000 ? rounded.toLocaleString('en') : String(rounded)
}

const whole = (value: number | undefined): string => (value === undefined ? '–' : value.toLocaleString('en'))
const scaled = (value: number | undefined, factor = 1): number | undefined =>
  value === undefined ? undefined : value * factor

function find(cells: readonly Cell[], work: Work, kind: PeerKind): Cell | undefined {
  return cells.find((cell) => cell.work === work && cell.kind === kind)
}

/** Of one peer on one work, as text. */
export function mainFigure(
  cells: readonly Cell[],
  work: Work,
  kind: PeerKind,
  { name, factor }: Omit<MainFigure, 'label'>,
): string {
  const cell = find(cells, work, kind)
  if (cell === undefined) return '–'
  return cell.sum === null ? 'failed' : figure(scaled(cell.sum[name], factor))
}

function ratio(one: number | undefined, other: number | undefined): string {
  return one === undefined || other === undefined || other <= 0 ? '–' : (one / other).toFixed(2)
}

/** A row for each work and figure that counts, a column for each peer, and the first peer beside the second. */
export function besideTable(cells: readonly Cell[], works: readonly Work[], kinds: readonly PeerKind[]): string {
  const [first, second] = kinds
  const isPair = first !== undefined && second !== undefined
  const rows = works.flatMap((work) =>
    work.main.map((main, i) => {
      const row = [i === 0 ? work.title : '', main.label, ...kinds.map((kind) => mainFigure(cells, work, kind, main))]
      if (isPair)
        row.push(ratio(find(cells, work, first)?.sum?.[main.name], find(cells, work, second)?.sum?.[main.name]))
      return row
    }),
  )
  const head = ['work', '', ...kinds.map(({ title }) => title)]
  if (isPair) head.push(`${first.title} ÷ ${second.title}`)
  return table(head, rows, [1])
}

/** A row for each peer, a column for each work. */
export function peersTable(cells: readonly Cell[], works: readonly Work[], kinds: readonly PeerKind[]): string {
  const columns = works.flatMap((work) => {
    const [main] = work.main
    const own = { work, main: main!, head: `${work.title}: ${main!.label}` }
    const isCounted = cells.some((cell) => cell.work === work && cell.sum?.cpuUs !== undefined)
    return isCounted ? [own, { work, main: CPU, head: CPU.label }] : [own]
  })
  const rows = kinds.map((kind) => [
    kind.title,
    ...columns.map(({ work, main }) => mainFigure(cells, work, kind, main)),
  ])
  return table(['', ...columns.map(({ head }) => head)], rows)
}

/** A row for each peer on each work in which messages flow or links are made. */
export function detailsTable(cells: readonly Cell[]): string {
  const rows = cells.flatMap(({ work, kind, runs, sum }) => {
    if (sum === null) return [[work.name, kind.title, 'failed', ...Array.from({ length: 10 }, () => '')]]
    if (sum.cpuUs === undefined) return []
    return [
      [
        work.name,
        kind.title,
        figure(sum.perSecond),
        spread(runs),
        figure(sum.cpuUs),
        figure(sum.p50Ms),
        figure(sum.p99Ms),
        figure(scaled(sum.rssBytesMax, 1e-6)),
        figure(sum.wirePerUseful),
        whole(sum.published),
        whole(sum.lost),
        whole(sum.duplicates === undefined ? undefined : sum.duplicates + (sum.corrupt ?? 0)),
        figure(sum.otherCores),
      ],
    ]
  })
  const head = [
    'work',
    'peer',
    'a second',
    'least to most',
    CPU.label,
    'p50 ms',
    'p99 ms',
    'peak MB',
    'wire bytes a useful one',
    'published',
    'lost',
    'twice or wrong',
    'others’ cores',
  ]
  return table(head, rows, [1])
}

function spread(runs: readonly Figures[]): string {
  const rates = runs.map(({ perSecond }) => perSecond).filter((rate) => rate !== undefined)
  return rates.length < 2 ? '–' : `${figure(Math.min(...rates))} to ${figure(Math.max(...rates))}`
}

/** `page` with `text` in place of what stands between `<!-- name -->` and `<!-- /name -->`. Throws Error without them. */
export function betweenMarkers(page: string, name: string, text: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const start = page.indexOf(open)
  const end = page.indexOf(close, start)
  if (start < 0 || end < 0) throw new Error(`the page has no ${open} … ${close}`)
  return `${page.slice(0, start + open.length)}\n${text.trim()}\n${page.slice(end)}`
}
