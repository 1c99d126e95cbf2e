// Messages, requests and pings to one other node, for callers of the local API. docs/api.md, "One to one".

import type { ServerResponse } from 'node:http'
import { payloadOf } from '../instructions.ts'
import { payloadFields } from '../json-events.ts'
import { ApiError, answerJson } from './answers.ts'
import type { ApiCall } from './node.ts'
import { peerOf } from './peers.ts'
import { bad, readObject, TIMEOUT_MS_MAX, textIn, wholeIn } from './queries.ts'

const TIMEOUT_MS = 10_000

export async function send(call: ApiCall, response: ServerResponse): Promise<void> {
  const body = await readObject(call.request, ['peer', 'topic', 'data', 'data64', 'timeoutMs'])
  const { node } = call.context
  const [topic, data] = [textIn(body, 'topic'), dataIn(body)]
  const peer = peerOf(node, textIn(body, 'peer'))
  await within(call, body, (signal) => node.send(peer, topic, data, { signal }))
  answerJson(response, { peer })
}

export async function request(call: ApiCall, response: ServerResponse): Promise<void> {
  const body = await readObject(call.request, ['peer', 'topic', 'data', 'data64', 'timeoutMs'])
  const { node } = call.context
  const [topic, data] = [textIn(body, 'topic'), dataIn(body)]
  const peer = peerOf(node, textIn(body, 'peer'))
  const answered = await within(call, body, (signal, timeoutMs) => {
    return node.request(peer, topic, data, { timeoutMs, signal })
  })
  answerJson(response, { peer, ...payloadFields(answered) })
}

export async function ping(call: ApiCall, response: ServerResponse): Promise<void> {
  const body = await readObject(call.request, ['peer', 'timeoutMs'])
  const { node } = call.context
  const peer = peerOf(node, textIn(body, 'peer'))
  const { timeMs, hops } = await within(call, body, (signal) => node.ping(peer, { signal }))
  answerJson(response, { peer, timeMs, hops })
}

function dataIn(body: Readonly<Record<string, unknown>>): Uint8Array | string {
  const payload = payloadOf(body)
  if (typeof payload === 'string') throw bad(payload)
  return payload.data
}

/** Rejects with ApiError `timed-out` when the call takes longer than its body says. */
async function within<T>(
  { signal }: ApiCall,
  body: Readonly<Record<string, unknown>>,
  perform: (signal: AbortSignal, timeoutMs: number) => Promise<T>,
): Promise<T> {
  const timeoutMs = wholeIn(body, 'timeoutMs', 1, TIMEOUT_MS_MAX) ?? TIMEOUT_MS
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  try {
    return await perform(AbortSignal.any([signal, late.signal]), timeoutMs)
  } catch (error) {
    if (!late.signal.aborted || signal.aborted) throw error
    throw new ApiError(504, 'timed-out', `no answer came within ${timeoutMs} ms`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}
