// The examples of a Markdown page: what stands between ```ts run and ```, and the output that a ```text block behind it
// promises. Reads text; runs nothing.

export interface Snippet {
  /** The heading under which it stands. */
  readonly heading: string
  readonly line: number
  readonly code: string
  /** What it must print, `…` standing for anything within a line; null when nothing is promised. */
  readonly output: string | null
}

/** All examples of a page that are to be run, in their order. */
export function snippetsOf(page: string): Snippet[] {
  const found: Snippet[] = []
  let heading = ''
  let endsAt = -1
  for (const block of page.matchAll(/^#+ (.+)$|^```(.*)\n([\s\S]*?)^```$/gm)) {
    const [whole, title, language, text] = block
    if (title !== undefined) {
      heading = title
    } else if (language === 'ts run') {
      const line = page.slice(0, block.index).split('\n').length
      found.push({ heading, line, code: text!, output: null })
      endsAt = block.index + whole.length
    } else if (language === 'text' && endsAt !== -1 && page.slice(endsAt, block.index).trim() === '') {
      found.push({ ...found.pop()!, output: text! })
    }
  }
  return found
}

/** Whether `printed` is what `promised` says. */
export function fits(printed: string, promised: string): boolean {
  const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const pattern = promised.trim().split('…').map(literally).join('.*')
  return new RegExp(`^${pattern}$`).test(printed.trim())
}
