// Holds the pages for people to the tree: every relative link leads somewhere, headings included, and the files that
// docs/architecture.md names are there.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const markdownIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
const PAGES = ['.', 'docs', 'docs/decisions', 'spec/vectors'].flatMap(markdownIn)

/** As GitHub names the anchors of a page's headings. */
function anchorsOf(page: string): string[] {
  return Array.from(page.matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  )
}

for (const path of PAGES) {
  test(`the links of ${path} lead somewhere`, () => {
    for (const [, target] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue
      const [file, anchor] = target!.split('#')
      const linked = file === '' ? path : join(dirname(path), file!)
      assert.ok(existsSync(join(ROOT, linked)), `${target} in ${path}`)
      if (anchor !== undefined) assert.ok(anchorsOf(read(linked)).includes(anchor), `${target} in ${path}`)
    }
  })
}

test('the files that the architecture page names are there', () => {
  const page = read('docs/architecture.md')
  for (const [, row] of page.matchAll(/^\| (`.*)$/gm)) {
    const [folder, , files] = row!.split(' | ')
    const [, name] = /^`([a-z]+\/)`/.exec(folder!) ?? []
    if (name === undefined) continue
    const inside = name === 'lib/' ? 'lib' : join('lib', name)
    for (const [, file] of (files ?? '').matchAll(/`([\w.-]+)`/g)) {
      assert.ok(existsSync(join(ROOT, inside, file!)), join(inside, file!))
    }
  }
  for (const [, path] of page.matchAll(
    /`((?:io|crypto|identity|noise|framing|link|neighbours|discovery|flood)\/[\w-]+\.ts)`/g,
  )) {
    assert.ok(existsSync(join(ROOT, 'lib', path!)), path)
  }
})

test('the list of decisions names every decision', () => {
  const list = read('docs/decisions/README.md')
  for (const path of markdownIn('docs/decisions')) {
    const name = path.slice('docs/decisions/'.length)
    assert.ok(name === 'README.md' || list.includes(`(${name})`), name)
  }
})
