// Rates of streams alone: two ends in one process, joined through real send queues and a reader of frames, without cipher and
// socket. `node --import tsx tests/bench/streams.ts`. Each figure is the best of several rounds. Not a test.

import type { MeshStream } from '../../lib/streams/duplex.ts'
import { Pair } from '../streams/pair.ts'

const ROUNDS = 5
const ROUND_BYTES = 400_000_000

async function measure(name: string, chunkBytes: number, streams: number): Promise<void> {
  let best = 0
  for (let round = 0; round < ROUNDS; round++) {
    const pair = new Pair()
    const roundBytes = Math.min(ROUND_BYTES, chunkBytes * 1_000_000)
    let received = 0
    const writers: MeshStream[] = []
    for (let i = 0; i < streams; i++) {
      const { near, far } = await pair.open()
      far.on('data', (chunk: Uint8Array) => {
        received += chunk.length
      })
      writers.push(near)
    }
    const chunk = Buffer.alloc(chunkBytes)
    const start = performance.now()
    for (const writer of writers) {
      const more = (): void => {
        while (received < roundBytes && writer.write(chunk));
      }
      writer.on('drain', more)
      more()
    }
    await pair.until(() => received >= roundBytes, 0, Number.POSITIVE_INFINITY)
    best = Math.max(best, received / (performance.now() - start) / 1_000)
  }
  const rate = Math.round(best).toLocaleString('en').padStart(6)
  console.log(`${name.padEnd(40)} ${String(chunkBytes).padStart(6)} B writes ${rate} MB/s`)
}

await measure('one stream', 65_536, 1)
await measure('one stream', 16_384, 1)
await measure('one stream', 1_024, 1)
await measure('one stream', 100, 1)
await measure('a hundred streams', 65_536, 100)
await measure('a hundred streams', 1_024, 100)
