// Makes V8 collect in step with the buffers that node:crypto makes. Each result of a cipher lies in an ArrayBuffer outside
// V8's heap. Those that die young are freed by a young collection (about a millisecond), but that comes only when the young
// heap has filled up with objects, and a link at full speed makes hundreds of megabytes of buffers a second and hardly any
// objects. V8 then sees outside memory grow past its limit and marks the whole heap instead, on every core, fifty times a
// second: that was a third of all work. Short-lived objects, twice as many bytes of them as of buffers (since each buffer is
// soon copied into another), keep the cheap collections coming. docs/decisions/0008-young-garbage.md has the measurements.

/** One array of this many elements is 64 KiB, below V8's bound for objects that are not young (128 KiB). */
const ELEMENTS = 8_192
/** Of buffers, for each array. */
const STEP_BYTES = 32_768

let owedBytes = 0
/** Written so that the allocation cannot be optimised away; the next one frees it. */
let garbage: unknown[] = []

/** Call with the size of each buffer that node:crypto made. */
export function bufferMade(bytes: number): void {
  owedBytes += bytes
  for (; owedBytes >= STEP_BYTES; owedBytes -= STEP_BYTES) garbage = new Array(ELEMENTS)
}

/** What is held now, for the test that it stays one array. */
export function heldElements(): number {
  return garbage.length
}
