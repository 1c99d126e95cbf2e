// Answering the requests of other nodes, for callers of the local API: requests come as lines, answers by calls of their own.
// docs/api.md, "Answering requests".

import type { ServerResponse } from 'node:http'
import { PAYLOAD_BYTES_MAX } from '../../lib/limits.ts'
import { payloadOf } from '../instructions.ts'
import { jsonLine, payloadJson } from '../json-events.ts'
import { Output } from '../output.ts'
import { ApiError, answerJson } from './answers.ts'
import { last } from './lasting.ts'
import type { ApiCall } from './node.ts'
import { BEHIND, OpenRequests, REQUESTS_OPEN_BYTES_MAX } from './open-requests.ts'
import { NDJSON } from './publish.ts'
import { bad, readObject, TIMEOUT_MS_MAX, textIn } from './queries.ts'

/** Longer than whoever asks waits, unless told otherwise; what is open takes room. */
const ANSWER_TIMEOUT_MS = 600_000

/** Resolves when the caller has left, or the node is about to stop: then nobody answers on this topic any more. */
export async function requests(call: ApiCall, response: ServerResponse): Promise<void> {
  const { context, query } = call
  const topic = query.required('topic')
  const open = new OpenRequests(query.whole('timeoutMs', 1, TIMEOUT_MS_MAX) ?? ANSWER_TIMEOUT_MS)
  const output = new Output(response, { overflowed: () => undefined, broken: () => undefined })
  let unsentBytes = 0
  const takeBack = context.node.reply(topic, (request) => {
    const { id, from, data } = request
    if (unsentBytes > REQUESTS_OPEN_BYTES_MAX) throw new Error(BEHIND)
    const answer = open.wait(request)
    const line = Buffer.from(jsonLine({ event: 'request', id, topic, from, ...payloadJson(data) }))
    unsentBytes += line.length
    output.deliver([line], () => {
      unsentBytes -= line.length
    })
    return answer
  })
  response.writeHead(200, { 'content-type': NDJSON, 'cache-control': 'no-store' })
  output.print(jsonLine({ event: 'replying', topic }))
  context.answering.add(open)
  await last(call, response, output, () => {
    takeBack()
    context.answering.delete(open)
    open.close()
  })
}

/** The answer to one of them, or the text of an error. */
export async function reply({ context, request }: ApiCall, response: ServerResponse): Promise<void> {
  const body = await readObject(request, ['id', 'data', 'data64', 'error'])
  const id = textIn(body, 'id')
  const isAnswered = 'error' in body ? failing(body) : answering(body)
  for (const open of context.answering) {
    if (isAnswered(open, id)) return answerJson(response, {})
  }
  const text = `no request ${JSON.stringify(id)} waits for an answer: it has one, or took too long`
  throw new ApiError(404, 'unknown-request', text)
}

type Answering = (open: OpenRequests, id: string) => boolean

function failing(body: Readonly<Record<string, unknown>>): Answering {
  if ('data' in body || 'data64' in body) throw bad('an answer has either "error", or one of "data" and "data64"')
  const text = textIn(body, 'error')
  return (open, id) => open.fail(id, text)
}

function answering(body: Readonly<Record<string, unknown>>): Answering {
  const payload = payloadOf(body)
  if (typeof payload === 'string') throw bad(payload)
  const { data } = payload
  if (Buffer.byteLength(data) > PAYLOAD_BYTES_MAX) {
    throw new ApiError(413, 'too-large', `an answer has at most ${PAYLOAD_BYTES_MAX} bytes`)
  }
  return (open, id) => open.answer(id, data)
}
