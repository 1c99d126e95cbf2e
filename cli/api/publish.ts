// Publishing for callers of the local API: one message, or a line each of a body that may go on for ever. docs/api.md,
// "Publish".

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { MeshError, reasonOf } from '../../lib/errors.ts'
import { Confirming } from '../confirming.ts'
import { codeOf } from '../failures.ts'
import { LineInput } from '../input.ts'
import { publicationOf } from '../instructions.ts'
import { jsonLine } from '../json-events.ts'
import type { InputLine } from '../lines.ts'
import { answerJson } from './answers.ts'
import type { ApiCall } from './node.ts'
import { BODY_BYTES_MAX, bad, contentType, readObject, TIMEOUT_MS_MAX, wholeIn } from './queries.ts'

export const NDJSON = 'application/x-ndjson'
/** Neighbours that a node can have. */
const CONFIRM_MAX = 4_096
const CONFIRM_TIMEOUT_MS = 30_000
const FIELDS = ['topic', 'data', 'data64', 'retain', 'ttl']
/** Lines that failed and are told one by one; a caller may read the answer only when it has sent everything. */
const FAILURES_TOLD_MAX = 100

export function publish(call: ApiCall, response: ServerResponse): Promise<void> {
  return contentType(call.request) === NDJSON ? publishLines(call, response) : publishOne(call, response)
}

async function publishOne({ context, request, query, signal }: ApiCall, response: ServerResponse): Promise<void> {
  for (const name of ['topic', 'confirm', 'timeoutMs']) {
    if (query.text(name) !== null) throw bad(`${name} stands in the body; in the query it is for ${NDJSON}`)
  }
  const body = await readObject(request, [...FIELDS, 'confirm', 'timeoutMs'])
  const count = wholeIn(body, 'confirm', 0, CONFIRM_MAX)
  const timeout = wholeIn(body, 'timeoutMs', 1, TIMEOUT_MS_MAX) ?? CONFIRM_TIMEOUT_MS
  const publication = publicationOf(body)
  if (typeof publication === 'string') throw bad(`nothing was published: ${publication}`)
  const { topic, data, options } = publication
  const receipt = await context.node.publish(topic, data, { ...options, signal })
  const confirmed = count === null ? null : await receipt.confirmed(count, { timeout, signal })
  const { id, neighbours } = receipt
  answerJson(response, { id, neighbours, ...(confirmed === null ? {} : { confirmed }) })
}

/** The topic of the query stands for those lines that name none. */
async function publishLines({ context, request, query, signal }: ApiCall, response: ServerResponse): Promise<void> {
  const topic = query.text('topic')
  const neighbours = query.whole('confirm', 1, CONFIRM_MAX)
  const timeout = query.whole('timeoutMs', 1, TIMEOUT_MS_MAX) ?? CONFIRM_TIMEOUT_MS
  const confirming = neighbours === null ? null : new Confirming(signal, { neighbours, timeout })
  let [published, failed] = [0, 0]
  const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  response.writeHead(200, { 'content-type': NDJSON, 'cache-control': 'no-store' })
  // A caller that sends without end reads meanwhile, and knows by this that it is understood.
  response.flushHeaders()
  const input = new LineInput(request as AsyncIterable<Uint8Array>, BODY_BYTES_MAX)
  for (let lines = await input.batch(); lines !== null; lines = await input.batch()) {
    for (const line of lines) {
      try {
        const { topic: own, data, options } = publicationIn(line, topic)
        const receipt = await context.node.publish(own, data, { ...options, signal })
        published++
        await confirming?.expect(receipt)
      } catch (error) {
        if (signal.aborted) throw error
        if (failed++ < FAILURES_TOLD_MAX) {
          response.write(jsonLine({ line: line.number, error: { code: codeOf(error), message: reasonOf(error) } }))
        }
      }
    }
  }
  await confirming?.finish(over)
  const confirmed = confirming === null ? null : published - confirming.unconfirmed
  response.end(jsonLine({ published, failed, ...(confirmed === null ? {} : { confirmed }) }))
  await Promise.race([once(response, 'close'), over])
}

function publicationIn(line: InputLine, topic: string | null): Exclude<ReturnType<typeof publicationOf>, string> {
  if (line.kind === 'too-long') throw new MeshError('too-large', `a line is longer than ${BODY_BYTES_MAX} bytes`)
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(line.bytes.buffer, line.bytes.byteOffset, line.bytes.length).toString())
  } catch (cause) {
    throw bad('a line is not JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('a line is not a JSON object')
  const unknown = Object.keys(value).find((name) => !FIELDS.includes(name))
  if (unknown !== undefined) throw bad(`unknown name ${JSON.stringify(unknown)}; known are ${FIELDS.join(', ')}`)
  const publication = publicationOf(topic === null ? (value as Record<string, unknown>) : { topic, ...value })
  if (typeof publication === 'string') throw bad(publication)
  return publication
}
