// Tables for people: columns as wide as they need to be, cut where the terminal ends. Pure: rows in, text out. Every cell passes
// `printable`, since names and reasons come from other nodes.

import { printable } from '../printable.ts'

export interface Column {
  readonly title: string
  /** Numbers stand at the right. */
  readonly alignRight?: true
  /** Cells can be cut when there is not room for all; the widest of these give way first. */
  readonly isFlexible?: true
}

const GAP = '  '
const FLEXIBLE_COLUMNS_MIN = 6
/** Scripts and pictures that take two columns of a terminal (Unicode Standard Annex 11, wide and fullwidth). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
const NO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u

/** Lines with newlines. `columns`: the terminal's width, or null where nothing is to be cut. */
export function table(head: readonly Column[], rows: readonly (readonly string[])[], columns: number | null): string {
  const cells = [head.map(({ title }) => title), ...rows.map((row) => row.map((cell) => printable(cell)))]
  const widths = head.map((_, i) => Math.max(...cells.map((row) => widthOf(row[i] ?? ''))))
  if (columns !== null) shrink(widths, head, columns)
  return cells
    .map((row) => {
      const line = head.map(({ alignRight }, i) => fitted(row[i] ?? '', widths[i]!, alignRight === true)).join(GAP)
      return `${columns === null ? line.trimEnd() : cut(line.trimEnd(), columns)}\n`
    })
    .join('')
}

/** `name  value` a line, the values under each other. */
export function facts(rows: readonly (readonly [name: string, value: string])[], columns: number | null): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}${GAP}${printable(value)}`)
  return lines.map((line) => `${columns === null ? line : cut(line, columns)}\n`).join('')
}

/** Columns of a terminal that the text takes. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

/** The text, or its longest beginning that fits with `…` behind it. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let [out, width] = ['', 0]
  for (const character of text) {
    width += characterWidth(character)
    if (width > columns - 1) break
    out += character
  }
  return columns < 1 ? '' : `${out}…`
}

/** Takes from the widest flexible column, one by one, until the line fits or nothing can be taken any more. */
function shrink(widths: number[], head: readonly Column[], columns: number): void {
  let over = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1) - columns
  while (over > 0) {
    let widest = -1
    head.forEach(({ isFlexible }, i) => {
      if (isFlexible && widths[i]! > FLEXIBLE_COLUMNS_MIN && widths[i]! > (widths[widest] ?? 0)) widest = i
    })
    if (widest === -1) return
    widths[widest]!--
    over--
  }
}

function fitted(text: string, width: number, alignRight: boolean): string {
  const shown = cut(text, width)
  const space = ' '.repeat(Math.max(0, width - widthOf(shown)))
  return alignRight ? space + shown : shown + space
}

function characterWidth(character: string): number {
  if (character < '\u0300') return 1
  if (NO_WIDTH.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}
