// The process that store-kill.test.ts kills: puts bundles into a store without end, and prints the last number of what is
// durable, one line each time that the store has said so. Arguments: the database's folder, and the epoch of this run.

import { Holdings } from '../../lib/flood/holdings.ts'
import { nodeClock } from '../../lib/io/clock.ts'
import { nodeDatabases } from '../../lib/io/database.ts'
import { openDurableStore } from '../../lib/store/open-durable.ts'
import { testBundle } from '../store/bundles.ts'

const [path, epoch] = process.argv.slice(2)
const store = await openDurableStore({
  databases: nodeDatabases,
  path: path!,
  clock: nodeClock,
  networkId: new Uint8Array(32).fill(4),
  holdings: new Holdings(),
  bytesMax: 100_000_000,
  ageMsMax: 3_600_000,
  warn: (code, text) => process.stderr.write(`${code}: ${text}\n`),
})

for (let first = 0; ; ) {
  // Commits follow each other without a pause, each with what came meanwhile.
  for (let n = 0; n < 7; n++) {
    const bytes = first % 34 === 0 ? 20_000 : 100
    const numbers = { epoch: Number(epoch), first, count: 2, bytes }
    store.put(testBundle({ ...numbers, heldSinceMs: nodeClock.nowMs() }), null)
    first += 2
  }
  store.writeOffset('reader', { arrival: store.lastArrival, index: 0 })
  const last = first - 1
  store.flushed().then(
    () => process.stdout.write(`${last}\n`),
    () => {},
  )
  await new Promise((resolve) => setImmediate(resolve))
}
