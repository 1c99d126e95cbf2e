// Both ends of a file transfer in one process, without a mesh: a receiver over a real folder, and a door to it that tests can
// shut, cut or slow down.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { FILES_PROTOCOL } from '../../../cli/files/messages.ts'
import { type FileReceived, FileReceiver } from '../../../cli/files/receiver.ts'
import { ReceivingFolder } from '../../../cli/files/receiving-folder.ts'
import type { StreamDoor } from '../../../cli/streams/door.ts'
import { type StreamEnd, streamPair } from '../streams/stream-pair.ts'

export const SENDER = '12D3KooWSender'
export const RECEIVER = '12D3KooWReceiver'

/** A folder of its own, removed after the test. */
export function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'meshd-files-'))
  t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  return path
}

export interface Receiving {
  readonly receiver: FileReceiver
  readonly folder: ReceivingFolder
  readonly received: FileReceived[]
  readonly failed: string[]
  /** A new stream to it, as `peer` opens one. */
  open(peer?: string): StreamEnd
  readonly door: StreamDoor
}

export async function receiving(
  t: TestContext,
  path: string,
  {
    self = RECEIVER,
    fileBytesMax = 2 ** 30,
    unixMs = Date.now,
    nowMs = () => 0,
  }: { self?: string; fileBytesMax?: number; unixMs?: () => number; nowMs?: () => number } = {},
): Promise<Receiving> {
  const folder = await ReceivingFolder.open(path, unixMs)
  const received: FileReceived[] = []
  const failed: string[] = []
  const receiver = new FileReceiver({
    self: () => self,
    folder,
    fileBytesMax,
    nowMs,
    received: (file) => received.push(file),
    failed: (text) => failed.push(text),
  })
  t.after(() => receiver.close())
  const open = (peer: string = SENDER): StreamEnd => {
    const [near, far] = streamPair(peer, self, FILES_PROTOCOL)
    void receiver.handle(far)
    return near
  }
  const door: StreamDoor = {
    open: async () => open(),
    accept: () => Promise.reject(new Error('not used')),
  }
  return { receiver, folder, received, failed, open, door }
}

/** Bytes that are nowhere the same for long. */
export function noise(bytes: number, seed: number = 1): Buffer {
  const made = Buffer.allocUnsafe(bytes)
  let state = seed
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    made[i] = state >>> 24
  }
  return made
}
