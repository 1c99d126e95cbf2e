// docs/protocol.md against the vectors, the limits and the tables of the library: what it shows in hex and what it says in
// numbers must be so.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FrameType, frameBodyMax } from '../../lib/framing/frames.ts'
import { GoodbyeCode } from '../../lib/framing/goodbye.ts'
import * as limits from '../../lib/limits.ts'
import { StreamResetCode } from '../../lib/streams/reset-codes.ts'
import { routerParts } from '../flood/router-parts.ts'

const DOC = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
const VECTORS = new URL('../../spec/vectors/', import.meta.url)

interface Block {
  readonly name: string
  readonly hex: string
}

function hexBlocks(): Block[] {
  const blocks = DOC.matchAll(/^```hex name=(\S+)\n([^`]*)^```$/gm)
  return Array.from(blocks, ([, name, text]) => ({ name: name!, hex: text!.replace(/\s/g, '') }))
}

/** Every text value of a vector, whatever its depth. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(texts)
}

test('every hex example is a value of the vector that it names', () => {
  const vectors = new Map<string, string[]>()
  for (const file of readdirSync(VECTORS).filter((name) => name.endsWith('.json'))) {
    const { vectors: all } = JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8')) as { vectors: { name: string }[] }
    for (const vector of all) vectors.set(vector.name, texts(vector))
  }
  const blocks = hexBlocks()
  assert.ok(blocks.length >= 20, `${blocks.length} examples`)
  assert.equal(blocks.length, DOC.match(/^```hex/gm)?.length, 'every hex block names its vector')
  for (const { name, hex } of blocks) {
    assert.match(hex, /^([0-9a-f]{2})+$/)
    assert.ok(vectors.get(name)?.includes(hex), `${name} has no value ${hex}`)
  }
})

test('the table of frames lists every type with its name and bound', () => {
  for (const [name, type] of Object.entries(FrameType)) {
    const shown = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    const number = `0x${type.toString(16).padStart(2, '0')}`
    const row = new RegExp(`^\\| ${number} \\| ${shown} \\|.*\\| (≤ )?([\\d,]+) \\|[^|]*\\|$`, 'm').exec(DOC)
    assert.ok(row !== null, `${number} ${shown}`)
    assert.equal(Number(row[2]!.replaceAll(',', '')), frameBodyMax(type), shown)
  }
})

test('the table of goodbye codes lists every code', () => {
  const section = DOC.slice(DOC.indexOf('### 5.8'), DOC.indexOf('### 5.9'))
  const listed = Array.from(section.matchAll(/^\| (\d+) \|/gm), (row) => Number(row[1]))
  assert.deepEqual(
    listed,
    Object.values(GoodbyeCode).sort((a, b) => a - b),
  )
})

test('the table of reset codes lists every code', () => {
  const section = DOC.slice(DOC.indexOf('Reset codes:'), DOC.indexOf('### 10.5'))
  const listed = Array.from(section.matchAll(/^\| (\d+) \|/gm), (row) => Number(row[1]))
  assert.deepEqual(
    listed,
    Object.values(StreamResetCode).sort((a, b) => a - b),
  )
})

test('the numbers of the library that a peer can notice stand in the table of limits', () => {
  const section = DOC.slice(DOC.indexOf('## 14. Limits'), DOC.indexOf('## 15. Versions'))
  const noticeable = [
    limits.RECORD_BYTES_MAX,
    limits.RECORD_PLAIN_BYTES_MAX,
    limits.REKEY_EVERY_RECORDS,
    limits.HANDSHAKE_RECORD_BYTES_MAX,
    limits.UNPROVEN_BYTES_MAX,
    limits.FRAME_BODY_BYTES_MAX,
    limits.BUNDLE_SEALED_BYTES_MAX,
    limits.CBOR_DEPTH_MAX,
    limits.CBOR_ITEMS_MAX,
    limits.CBOR_MAP_ENTRIES_MAX,
    limits.FEATURES_MAX,
    limits.FEATURE_BYTES_MAX,
    limits.NAME_BYTES_MAX,
    limits.AGENT_BYTES_MAX,
    limits.LISTEN_ADDRESSES_MAX,
    limits.ADDRESS_BYTES_MAX,
    limits.PEERS_MAX,
    limits.NODE_RECORD_BYTES_MAX,
    limits.CERTIFICATE_BYTES_MAX,
    limits.NODE_PAYLOAD_BYTES_MAX,
    limits.NODE_NEIGHBOURS_MAX,
    limits.NODE_TIME_TO_LIVE_S,
    limits.PAYLOAD_BYTES_MAX,
    limits.TOPIC_BYTES_MAX,
    limits.BUNDLE_MESSAGES_MAX,
    limits.HOPS_MAX,
    limits.TIME_TO_LIVE_S_MAX,
    limits.ORIGINS_MAX,
    limits.EPOCHS_PER_ORIGIN_MAX,
    limits.RANGES_PER_EPOCH_MAX,
    limits.RANGES_PER_ORIGIN_MAX,
    limits.RANGES_MAX,
    limits.HAVE_BYTES_MAX,
    limits.HAVE_ENTRIES_MAX,
    limits.WANT_BYTES_MAX,
    limits.WANT_NUMBERS_MAX,
    limits.WANT_RANGES_MAX,
    limits.ANSWER_BUNDLES_MAX,
    limits.ANSWER_BYTES_MAX,
    limits.FAST_ANSWER_BYTES_MAX,
    limits.CLAIM_ENTRIES_MAX,
    limits.CLAIM_RANGES_MAX,
    limits.ALL_CLAIM_ENTRIES_MAX,
    limits.PROTOCOL_NAMES_MAX,
    limits.PROTOCOL_NAME_BYTES_MAX,
    limits.STREAMS_PER_LINK_MAX,
    limits.STREAMS_OPENING_MAX,
    limits.STREAM_ANSWERS_OWED_MAX,
    limits.HALF_OPEN_MAX,
    limits.NEWCOMERS_MAX,
    limits.HALF_OPEN_PER_ADDRESS_MAX,
    limits.SOCKET_UNSENT_BYTES_MAX,
    limits.LINK_QUEUE_FRAMES_MAX,
    limits.DIRECT_FLOOD_BYTES_MAX,
    limits.DIRECT_FLOODS_PER_SECOND_MAX,
    limits.DIRECT_HANDLED_MAX,
    limits.DIRECT_ROUTES_MAX,
    limits.DIRECT_SOURCES_MAX,
    limits.DIRECT_EPOCHS_PER_SOURCE_MAX,
    limits.DIRECT_RANGES_PER_EPOCH_MAX,
    limits.DIRECT_RANGES_MAX,
    limits.DIRECT_ERROR_TEXT_BYTES_MAX,
  ]
  const shown = new Set(Array.from(section.matchAll(/\d[\d,]*/g), ([number]) => Number(number.replaceAll(',', ''))))
  for (const limit of noticeable) assert.ok(shown.has(limit), `${limit}`)
})

test('every reason of a verdict that the router knows stands in the table of verdicts', async () => {
  const { Router } = await import('../../lib/flood/router.ts')
  const { Subscriptions } = await import('../../lib/flood/subscriptions.ts')
  const { Identities } = await import('../../lib/identity/identities.ts')
  const { primitives } = await import('../../lib/crypto/choose.ts')
  const router = new Router({
    primitives,
    networkId: new Uint8Array(32),
    identities: new Identities(),
    subscriptions: new Subscriptions(() => {}),
    ownOriginKey: '',
    nowMs: () => 0,
    actions: { rejected: () => {}, ownEpochMet: () => {}, heard: () => {}, retainedCame: () => {} },
    ...routerParts(),
  })
  const section = DOC.slice(DOC.indexOf('### 8.3'), DOC.indexOf('### 8.4'))
  for (const reason of Object.keys(router.ignored)) assert.match(section, new RegExp(`\\| ignore \\| ${reason} \\|`))
  for (const reason of Object.keys(router.rejected)) assert.match(section, new RegExp(`\\| reject \\| ${reason} \\|`))
})

test('links inside the page lead to headings, and links to files lead to files', () => {
  const anchors = new Set(
    Array.from(DOC.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
  for (const [, target] of DOC.matchAll(/\]\(([^)]+)\)/g)) {
    if (target!.startsWith('#')) assert.ok(anchors.has(target!.slice(1)), target)
    else if (!target!.startsWith('http')) readable(target!)
  }
})

test('sections and headings that the code cites are there', () => {
  const headings = Array.from(DOC.matchAll(/^#+ ([\d.]*) ?(.*)$/gm), ([, number, text]) => ({ number, text: text! }))
  const numbers = new Set(headings.map(({ number }) => number!.replace(/\.$/, '')))
  // Bold words at the beginning of a paragraph count as headings of their own.
  const names = [
    ...headings.map(({ text }) => text),
    ...Array.from(DOC.matchAll(/^\*\*([^*]+)\.\*\*/gm), ([, text]) => text!),
  ]
  const files = ['lib', 'cli'].flatMap((folder) => {
    const root = new URL(`../../${folder}/`, import.meta.url)
    const inside = readdirSync(root, { recursive: true }) as string[]
    return inside.filter((name) => name.endsWith('.ts')).map((name) => new URL(name, root))
  })
  let citations = 0
  for (const file of files) {
    const text = readFileSync(file, 'utf8').replace(/\n\s*(\/\/|\*) ?/g, ' ')
    for (const [, cited] of text.matchAll(
      /docs\/protocol\.md,? ((?:sections?|"|and|,|[\d.]+\d|\d|[A-Z][a-z -]*"| )+)/g,
    )) {
      for (const [number] of cited!.matchAll(/\d+(\.\d+)?/g)) {
        citations++
        assert.ok(numbers.has(number), `${file.pathname} cites section ${number}`)
      }
      for (const [, name] of cited!.matchAll(/"([^"]+)"/g)) {
        citations++
        assert.ok(
          names.some((heading) => heading.toLowerCase().includes(name!.toLowerCase())),
          `${file.pathname} cites "${name}"`,
        )
      }
    }
  }
  assert.ok(citations > 40, `${citations} citations`)
})

function readable(target: string): void {
  const url = new URL(`../../docs/${target}`, import.meta.url)
  if (target.endsWith('vectors')) readdirSync(url)
  else readFileSync(url)
}
