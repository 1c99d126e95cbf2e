// `npm run bench`: meshd beside a flood written by hand over node:net, on the same works, in the same minutes, each node in a
// process of its own on loopback. What is about connections also beside node:tls. docs/benchmarks.md tells how to read it.
// Not a test.

import type { PeerKind } from './peer.ts'
import { circumstances, runAll, sessionFrom, writePage } from './session.ts'
import { besideTable, detailsTable } from './tables.ts'
import { WORKS, type Work } from './works.ts'

const session = sessionFrom({
  script: 'bench',
  works: WORKS.map(({ name }) => name),
  kinds: ['meshd', 'raw', 'tls'],
})

/** Raw TCP has no memory for those who come back; TLS is of interest where links are made and kept. */
function kindsFor({ name }: Work): readonly PeerKind[] {
  return session.kinds.filter((kind) => {
    if (kind.name === 'meshd') return true
    if (name.startsWith('catch-up')) return false
    return kind.name === 'raw' || ['handshakes', 'memory', 'idle'].includes(name)
  })
}

const cells = await runAll(session, {}, kindsFor)
const text = [
  circumstances(session, cells, {}),
  besideTable(cells, session.works, session.kinds),
  detailsTable(cells),
].join('\n\n')
console.log(`\n${text}`)
if (session.isWritten) writePage('docs/benchmarks.md', 'bench', text)
