// What the library makes of a frame of streams after others: one end whose answers leave at once, and whose program reads
// nothing and says nothing.

import { MeshError } from '../../lib/errors.ts'
import { FrameReader } from '../../lib/framing/frames.ts'
import type { OutgoingFrame } from '../../lib/streams/carrier.ts'
import { StreamRegistry } from '../../lib/streams/registry.ts'
import { Streams } from '../../lib/streams/streams.ts'
import { type Hex, unpack, type Vector } from '../tools/vectors/fixed.ts'

/** Whether the vector's frame is a fault. */
export function isStreamFault(vector: Vector): boolean {
  const registry = new StreamRegistry()
  for (const name of vector.handlers as string[]) registry.handle(name, () => {})
  const leave = (frame: OutgoingFrame): void => void frame.begin(0)
  const streams = new Streams({
    isDialer: vector.receiver === 'dialer',
    peer: '',
    registry,
    budget: { bytes: 0, bytesMax: Number.MAX_SAFE_INTEGER },
    carrier: { send: leave, control: leave, withdraw: () => false },
    nowMs: () => 0,
    endOfTurn: () => {},
    roundTripMs: () => null,
    handlerFailed: () => {},
  })
  // The opening itself waits for an answer that may never come.
  for (const names of vector.opens as string[][]) streams.open(names).catch(() => {})
  const reader = new FrameReader()
  for (const frame of vector.before as Hex[]) reader.push(unpack(frame))
  for (let frame = reader.next(); frame !== null; frame = reader.next()) streams.received(frame.type, frame.body)
  reader.push(unpack(vector.bytes as Hex))
  const frame = reader.next()!
  try {
    streams.received(frame.type, frame.body)
    return false
  } catch (error) {
    if (error instanceof MeshError && error.fault === 'remote') return true
    throw error
  }
}
