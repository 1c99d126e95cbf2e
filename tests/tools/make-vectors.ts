// Writes spec/vectors/*.json from the library with fixed keys: `npm run vectors`. The files are committed; a test fails when
// they are not what this makes. A change in them is a change of the protocol, and belongs into docs/protocol.md first.

import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Primitives } from '../../lib/crypto/primitives.ts'
import { bundleVectors } from './vectors/bundles.ts'
import { directVectors } from './vectors/direct.ts'
import { castOf, type VectorFile } from './vectors/fixed.ts'
import { frameVectors } from './vectors/frames.ts'
import { handshakeVectors } from './vectors/handshake.ts'
import { identityVectors } from './vectors/identity.ts'
import { memberVectors } from './vectors/members.ts'
import { networkVectors } from './vectors/network.ts'
import { nodeRecordVectors } from './vectors/node-records.ts'
import { recordVectors } from './vectors/records.ts'
import { streamVectors } from './vectors/streams.ts'

export const VECTORS_FOLDER: string = fileURLToPath(new URL('../../spec/vectors/', import.meta.url))

/** File name to text, made with the given provider. */
export function makeVectors(primitives: Primitives): ReadonlyMap<string, string> {
  const cast = castOf(primitives)
  const files: [string, VectorFile][] = [
    ['identity.json', identityVectors(cast)],
    ['network.json', networkVectors(cast)],
    ['handshake.json', handshakeVectors(cast)],
    ['records.json', recordVectors(cast)],
    ['frames.json', frameVectors(cast)],
    ['bundles.json', bundleVectors(cast)],
    ['node-records.json', nodeRecordVectors(cast)],
    ['members.json', memberVectors(cast)],
    ['streams.json', streamVectors()],
    ['direct.json', directVectors(cast)],
  ]
  return new Map(files.map(([name, file]) => [name, `${JSON.stringify(file, null, 2)}\n`]))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { noble } = await import('../../lib/crypto/noble.ts')
  mkdirSync(VECTORS_FOLDER, { recursive: true })
  for (const [name, text] of makeVectors(noble)) {
    writeFileSync(`${VECTORS_FOLDER}${name}`, text)
    process.stdout.write(`${name}: ${text.length} bytes\n`)
  }
}
