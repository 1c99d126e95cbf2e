// Memory outside V8's heap, where the bytes of every ArrayBuffer lie. V8 frees such a buffer when it collects the object, and it
// collects too late for a link at full speed: that makes hundreds of megabytes of buffers a second and hardly any objects. V8
// then sees outside memory grow past its limit and marks the whole heap, on every core, fifty times a second: once that was a
// third of all work. Two remedies, docs/decisions/0008-young-garbage.md has the measurements of both:
//
//   giveBack     a buffer that nobody reads any more is freed at this moment; the next one then gets the same warm memory
//   bufferMade   for those that somebody goes on reading: makes V8 collect in step with them
//
// And where one buffer has the bytes of several messages, `keepInPlace` sees to it that nobody can take it away from the others.

import { markAsUntransferable } from 'node:worker_threads'

/** Smaller buffers cost less to leave to the collector. */
export const OUTSIDE_BYTES_MIN = 1_024

/** From this size on a message's bytes have a buffer of their own, and that buffer is given back or counted by `bufferMade`. */
export const LARGE_BYTES_MIN = 16_384

/**
 * Frees the memory of `bytes` now; every view of it is then empty. Only for whoever owns all of it: a part of a larger buffer
 * is left alone. Does nothing where this Node cannot do it.
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (bytes.length === buffer.byteLength && buffer instanceof ArrayBuffer) detach?.(buffer)
}

/**
 * A message port that is closed still takes over what is transferred to it, and drops it on the spot. Later versions of Node
 * have a method for that.
 */
const detach: ((buffer: ArrayBuffer) => void) | null = working(byTransfer()) ?? working(byClosedPort())

function byTransfer(): ((buffer: ArrayBuffer) => void) | null {
  const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer, length: number) => ArrayBuffer }
  return transfer === undefined ? null : (buffer) => void transfer.call(buffer, 0)
}

function byClosedPort(): ((buffer: ArrayBuffer) => void) | null {
  if (typeof MessageChannel !== 'function') return null
  const { port1, port2 } = new MessageChannel()
  port1.close()
  port2.close()
  const list: ArrayBuffer[] = []
  return (buffer) => {
    list[0] = buffer
    port1.postMessage(null, list)
    list.length = 0
  }
}

/** Tried on one buffer, and left out where the buffer is still there. */
function working(free: ((buffer: ArrayBuffer) => void) | null): ((buffer: ArrayBuffer) => void) | null {
  if (free === null) return null
  try {
    const buffer = new ArrayBuffer(64)
    free(buffer)
    return buffer.byteLength === 0 ? free : null
  } catch {
    return null
  }
}

/**
 * Several views of this memory are, or will be, in different hands: none of them can transfer it to a worker or a port, which would
 * take it from all others, this program's own code included. Node then copies it, or from version 21 on refuses.
 */
export function keepInPlace(bytes: Uint8Array): void {
  markAsUntransferable(bytes.buffer)
}

/** One array of this many elements is 64 KiB, below V8's bound for objects that are not young (128 KiB). */
const ELEMENTS = 8_192
/** Of buffers, for each array: young collections come when V8's young heap is full of objects, at 16 MiB. */
const STEP_BYTES = 65_536

let owedBytes = 0
/** Written so that the allocation cannot be optimised away; the next one frees it. */
let garbage: unknown[] = []

/** Call with the size of each large buffer that is left to the collector. */
export function bufferMade(bytes: number): void {
  if (!isKeepingWarm) keepWarm()
  owedBytes += bytes
  for (; owedBytes >= STEP_BYTES; owedBytes -= STEP_BYTES) garbage = new Array(ELEMENTS)
}

let isKeepingWarm = false
/** Glibc looks at no larger one. */
const WARM_BYTES = 16 * 1_048_576

/**
 * Glibc gives free memory at the top of its heap back to the system, and takes it again, page by page, for the next buffers:
 * with each collection. What it was told to free lately as one large piece tells it how much to keep (mallopt(3),
 * M_MMAP_THRESHOLD): at most twice this much stays with the process. Other allocators do not care.
 */
function keepWarm(): void {
  isKeepingWarm = true
  giveBack(new Uint8Array(Buffer.allocUnsafeSlow(WARM_BYTES).buffer))
}

/** What is held now, for the test that it stays one array. */
export function heldElements(): number {
  return garbage.length
}
