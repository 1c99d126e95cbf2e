// `meshd pub`: one message, or one for each line of standard input. docs/cli.md, "meshd pub".

import { Readable } from 'node:stream'
import { reasonOf } from '../../lib/errors.ts'
import { checkTopic } from '../../lib/flood/topics.ts'
import { PAYLOAD_BYTES_MAX } from '../../lib/limits.ts'
import { EXIT, Failure } from '../failures.ts'
import { LineInput } from '../input.ts'
import { jsonLine, payloadJson } from '../json-events.ts'
import type { InputLine } from '../lines.ts'
import { printable } from '../printable.ts'
import { checked } from './checked.ts'
import { payloadOfCommand } from './payload.ts'
import type { CommandContext } from './perform.ts'

const CONFIRM_TIMEOUT_MS = 30_000
/** What an answer may take beside the wait that was asked for. */
const SLACK_MS = 5_000

interface Receipt {
  readonly id: string
  readonly neighbours: readonly { readonly outcome: string }[]
  readonly confirmed?: readonly string[]
}

/** The last line of an answer to many. */
interface Sum {
  readonly published: number
  readonly failed: number
  readonly confirmed?: number
}

export async function pub(context: CommandContext): Promise<number> {
  const [topic, data] = context.words
  checked('TOPIC', topic!, checkTopic)
  return data === undefined ? pubLines(context, topic!) : pubOne(context, topic!, data)
}

async function pubOne({ client, settings, host }: CommandContext, topic: string, word: string): Promise<number> {
  const { retain, ttlS, json, confirm } = settings
  const payload = payloadJson(await payloadOfCommand(word, host.stdin, 'meshd pub'))
  const timeoutMs = settings.timeoutMs ?? CONFIRM_TIMEOUT_MS
  const how = { ...(retain ? { retain } : {}), ...(ttlS === null ? {} : { ttl: ttlS }) }
  const wait = confirm === null || confirm === 0 ? {} : { confirm, timeoutMs }
  const answer = await client.post('/v1/publish', { topic, ...payload, ...how, ...wait }, timeoutMs + SLACK_MS)
  if (json) host.stdout.write(jsonLine(answer))
  const { neighbours } = answer as unknown as Receipt
  if (!json && !neighbours.some(({ outcome }) => outcome !== 'dropped')) {
    host.stderr.write('meshd: no neighbour is connected; those who come while the message is kept get it then\n')
  }
  return EXIT.done
}

async function pubLines({ client, settings, host }: CommandContext, topic: string): Promise<number> {
  const { retain, ttlS, json } = settings
  const confirm = settings.confirm ?? 1
  const timeoutMs = settings.timeoutMs ?? CONFIRM_TIMEOUT_MS
  let skipped = 0
  const tell = (line: number, code: string, text: string): void => {
    if (json) host.stdout.write(jsonLine({ line, error: { code, message: text } }))
    else host.stderr.write(`meshd: line ${line} was not published: ${printable(text)}\n`)
  }
  const input = new LineInput(host.stdin as AsyncIterable<Uint8Array>, PAYLOAD_BYTES_MAX)
  const options = { ...(retain ? { retain } : {}), ...(ttlS === null ? {} : { ttl: ttlS }) }
  const numbers = new SentLines()
  const seen = (line: InputLine): void => {
    if (line.kind === 'line') return numbers.sent(line.number)
    skipped++
    tell(line.number, 'too-large', `it is longer than ${PAYLOAD_BYTES_MAX} bytes, the most that a message can have`)
  }
  let broken: Failure | null = null
  const failed = (cause: unknown): void => {
    const text = `standard input failed: ${reasonOf(cause)}; nothing more was read`
    broken = new Failure('input-failed', text, { cause })
  }
  const body = Readable.from(bodyOf(input, options, seen, failed), { objectMode: false })
  let sum: Sum = { published: 0, failed: 0 }
  const query = { topic, ...(confirm === 0 ? {} : { confirm, timeoutMs }) }
  for await (const lines of client.upload('/v1/publish', query, body)) {
    for (const line of lines) {
      const { line: number, error } = line as { line?: number; error?: { code: string; message: string } }
      if (error !== undefined) tell(numbers.lineOf(number ?? 0), error.code, error.message)
      else sum = line as unknown as Sum
    }
  }
  const { published, confirmed } = sum
  const unpublished = sum.failed + skipped
  if (json) host.stdout.write(jsonLine({ ...sum, failed: unpublished }))
  else host.stderr.write(`meshd: ${sumText(published, unpublished, confirm, confirmed)}\n`)
  if (broken !== null) throw broken
  if (unpublished > 0) return EXIT.failed
  return confirmed !== undefined && confirmed < published ? EXIT.timedOut : EXIT.done
}

/** A chunk for each batch of lines, so that long input costs few writes. What cannot be read ends it: what came before counts. */
async function* bodyOf(
  input: LineInput,
  options: object,
  seen: (line: InputLine) => void,
  failed: (cause: unknown) => void,
): AsyncGenerator<Buffer> {
  const next = (): Promise<InputLine[] | null> =>
    input.batch().catch((cause: unknown) => {
      failed(cause)
      return null
    })
  for (let lines = await next(); lines !== null; lines = await next()) {
    let text = ''
    for (const line of lines) {
      seen(line)
      if (line.kind === 'line') text += `${JSON.stringify({ ...payloadJson(line.bytes), ...options })}\n`
    }
    if (text !== '') yield Buffer.from(text)
  }
}

/** Lines that were left out make the node's numbers smaller than those of the input. */
class SentLines {
  /** Where the difference grew: the node's number from which on it holds. */
  readonly #steps: { from: number; difference: number }[] = []
  #count = 0

  sent(number: number): void {
    this.#count++
    const difference = number - this.#count
    if (difference !== (this.#steps.at(-1)?.difference ?? 0)) this.#steps.push({ from: this.#count, difference })
  }

  lineOf(count: number): number {
    return count + (this.#steps.findLast(({ from }) => from <= count)?.difference ?? 0)
  }
}

function sumText(published: number, failed: number, confirm: number, confirmed: number | undefined): string {
  const bad = failed === 0 ? '' : `, ${failed} were not`
  const many = `${published} ${published === 1 ? 'message' : 'messages'} published${bad}`
  if (confirmed === undefined) return many
  const by = confirm === 1 ? 'a neighbour' : `${confirm} neighbours`
  return `${many}; ${confirmed} confirmed by ${by}`
}
