// One subscription as a stream of JSON lines, for as long as its reader is there. What comes out of the store is held back
// while the reader is slow; what is live cannot be, and what does not fit is counted. docs/api.md, "Subscribe".

import type { ServerResponse } from 'node:http'
import type { Message, SubscribeOptions } from '../../lib/types.ts'
import { jsonLine, messageEvent } from '../json-events.ts'
import { Output } from '../output.ts'
import { ApiError, answerJson } from './answers.ts'
import { last } from './lasting.ts'
import type { ApiCall } from './node.ts'
import { NDJSON } from './publish.ts'
import { readObject, textIn, wholeIn } from './queries.ts'
import { Unacknowledged } from './unacknowledged.ts'

/** What may wait for a slow reader of live messages. */
const WAITING_BYTES_MAX: number = 4 * 1_048_576

let subscriptions = 0

/** Resolves when the reader has left, or the node is about to stop and everything was written. */
export async function subscribe(call: ApiCall, response: ServerResponse): Promise<void> {
  const { context, query } = call
  const pattern = query.required('pattern')
  const [since, durable] = [query.text('since'), query.text('durable')]
  const order = query.choice('order', ['arrival', 'origin'])
  const isAcknowledged = query.choice('ack', ['written', 'reader']) === 'reader'
  if (isAcknowledged && durable === null) {
    throw new ApiError(400, 'bad-argument', 'ack=reader is for durable subscriptions')
  }
  const readsStore = since !== null || durable !== null || order === 'origin'
  const options: SubscribeOptions = {
    ...(since === null ? {} : { since }),
    ...(order === null ? {} : { order }),
    ...(durable === null ? {} : { durable, ack: 'manual' as const }),
  }
  const name = `s${++subscriptions}`
  const open = isAcknowledged ? new Unacknowledged() : null
  const output = new Output(
    response,
    {
      overflowed: (count) => output.print(jsonLine({ event: 'dropped', count })),
      broken: () => undefined,
    },
    WAITING_BYTES_MAX,
  )
  const told = (message: Message): Promise<unknown> | undefined => {
    if (open !== null) {
      const number = open.add(message)
      const held = output.deliver([Buffer.from(jsonLine({ ...messageEvent(message), number }))], () => undefined)
      const room = open.room()
      return held === undefined ? room : Promise.all([held, room])
    }
    const line = Buffer.from(jsonLine(messageEvent(message)))
    if (readsStore) return output.deliver([line], () => message.ack())
    output.offer(line)
    return undefined
  }
  const onGap = (gap: { readonly pattern: string }): void => {
    if (gap.pattern === pattern) output.offer(Buffer.from(jsonLine({ event: 'gap', ...gap })))
  }
  const subscription = context.node.subscribe(pattern, told, readsStore ? options : undefined)
  response.writeHead(200, { 'content-type': NDJSON, 'cache-control': 'no-store' })
  output.print(jsonLine({ event: 'subscribed', pattern, subscription: name }))
  if (open !== null) context.acknowledging.set(name, open)
  context.onGap.add(onGap)
  await last(call, response, output, () => {
    context.onGap.delete(onGap)
    context.acknowledging.delete(name)
    open?.close()
    subscription.unsubscribe()
  })
}

/** A reader is done with all messages up to a number. */
export async function acknowledge({ context, request }: ApiCall, response: ServerResponse): Promise<void> {
  const body = await readObject(request, ['subscription', 'through'])
  const name = textIn(body, 'subscription')
  const through = wholeIn(body, 'through', 0, Number.MAX_SAFE_INTEGER)
  if (through === null) throw new ApiError(400, 'bad-argument', '"through" must be the number of a message')
  const open = context.acknowledging.get(name)
  if (open === undefined) {
    throw new ApiError(
      404,
      'unknown-subscription',
      `there is no open subscription ${name} that its reader acknowledges`,
    )
  }
  open.through(through)
  answerJson(response, {})
}
