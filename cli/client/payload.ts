// What a command sends: its DATA, or what comes on standard input. Bytes, not text: they arrive as they are.

import { reasonOf } from '../../lib/errors.ts'
import { PAYLOAD_BYTES_MAX } from '../../lib/limits.ts'
import { Failure, UsageError } from '../failures.ts'
import type { InputStream } from '../mode.ts'

/**
 * `word`, or all of standard input. Rejects with Failure `too-large` or `input-failed`, or UsageError where a person would have
 * to type it.
 */
export async function payloadOfCommand(
  word: string | undefined,
  stdin: InputStream,
  what: string,
): Promise<Uint8Array> {
  if (word !== undefined) return checked(Buffer.from(word))
  if (stdin.isTTY === true) throw new UsageError(`${what} needs DATA, or standard input from a pipe or a file`)
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of stdin as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > PAYLOAD_BYTES_MAX) break
      chunks.push(chunk)
    }
  } catch (cause) {
    throw new Failure('input-failed', `standard input failed: ${reasonOf(cause)}`, { cause })
  }
  if (bytes > PAYLOAD_BYTES_MAX) throw tooLarge()
  return Buffer.concat(chunks)
}

function checked(data: Uint8Array): Uint8Array {
  if (data.length > PAYLOAD_BYTES_MAX) throw tooLarge()
  return data
}

function tooLarge(): Failure {
  return new Failure(
    'too-large',
    `a message has at most ${PAYLOAD_BYTES_MAX} bytes; send it in parts, or with a stream`,
  )
}
