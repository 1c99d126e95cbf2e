// `meshd send` and `meshd request`: one message to one node, and the answer. docs/cli.md, "meshd send, meshd request".

import { checkTopic } from '../../lib/flood/topics.ts'
import { EXIT } from '../failures.ts'
import { payloadOf } from '../instructions.ts'
import { jsonLine, payloadJson } from '../json-events.ts'
import { printable } from '../printable.ts'
import { checked } from './checked.ts'
import { payloadOfCommand } from './payload.ts'
import type { CommandContext } from './perform.ts'

const TIMEOUT_MS = 10_000
/** What an answer may take beside the wait that was asked for: the node itself says that it is over. */
const SLACK_MS = 5_000

export async function send({ client, settings, words, host }: CommandContext): Promise<number> {
  const [peer, topic, word] = words
  checked('TOPIC', topic!, checkTopic)
  const payload = payloadJson(await payloadOfCommand(word, host.stdin, 'meshd send'))
  const timeoutMs = settings.timeoutMs ?? TIMEOUT_MS
  const answer = await client.post('/v1/send', { peer, topic, ...payload, timeoutMs }, timeoutMs + SLACK_MS)
  if (settings.json) host.stdout.write(jsonLine(answer))
  return EXIT.done
}

/** Prints the answer as it is: with a newline behind it on a terminal alone. */
export async function request({ client, settings, words, host }: CommandContext): Promise<number> {
  const [peer, topic, word] = words
  checked('TOPIC', topic!, checkTopic)
  const question = payloadJson(await payloadOfCommand(word, host.stdin, 'meshd request'))
  const timeoutMs = settings.timeoutMs ?? TIMEOUT_MS
  const answer = await client.post('/v1/request', { peer, topic, ...question, timeoutMs }, timeoutMs + SLACK_MS)
  if (settings.json) {
    host.stdout.write(jsonLine(answer))
    return EXIT.done
  }
  const payload = payloadOf(answer)
  const data = typeof payload === 'string' ? Buffer.alloc(0) : Buffer.from(payload.data as string)
  if (host.stdout.isTTY === true) host.stdout.write(`${printable(data.toString())}\n`)
  else host.stdout.write(data)
  return EXIT.done
}
