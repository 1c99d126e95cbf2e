// The way of talking for programs (--json): one event a line on standard output, and lines of standard input that may be
// instructions. The names here are a contract: fields may be added, none may change. docs/cli.md, "Events".

import { textOf } from '../lib/bytes.ts'
import { MeshError, reasonOf } from '../lib/errors.ts'
import { PAYLOAD_BYTES_MAX } from '../lib/limits.ts'
import type { MeshEvents, Message } from '../lib/types.ts'
import { codeOf } from './failures.ts'
import type { FileReceived } from './files/receiver.ts'
import type { LineInput } from './input.ts'
import { parseInstruction } from './instructions.ts'
import type { InputLine } from './lines.ts'
import type { Mode, Running } from './mode.ts'

/** A payload of the largest size as JSON text with every byte escaped as `\u00xx`, and room for the topic. */
export const JSON_LINE_BYTES_MAX: number = PAYLOAD_BYTES_MAX * 6 + 8_192

/** What JSON leaves as it is although terminals, editors or JavaScript take it for more than a character. */
const UNSAFE_IN_JSON = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

export class JsonEvents implements Mode {
  readonly #running: Running
  readonly #input: LineInput

  constructor(running: Running, input: LineInput) {
    this.#running = running
    this.#input = input
  }

  begin(): void {
    this.#read()
  }

  message(message: Message): Promise<void> | undefined {
    const { output, readsStore } = this.#running
    const line = Buffer.from(jsonLine(messageEvent(message)))
    if (readsStore) return output.deliver([line], () => message.ack())
    output.offer(line)
    return undefined
  }

  listening(...[{ id, addresses }]: MeshEvents['listening']): void {
    this.#print({ event: 'listening', id, addresses })
  }

  neighbourUp(...[{ peer, address, direction }]: MeshEvents['neighbourUp']): void {
    this.#print({ event: 'neighbour-up', peer, address, direction })
  }

  neighbourDown(...[{ peer, reason, code, retryInMs }]: MeshEvents['neighbourDown']): void {
    this.#print({ event: 'neighbour-down', peer, reason, code, retryInMs })
  }

  dialFailed(...[{ address, reason, code, retryInMs }]: MeshEvents['dialFailed']): void {
    this.#print({ event: 'dial-failed', address, reason, code, retryInMs })
  }

  nodeUp(...[{ peer, name }]: MeshEvents['nodeUp']): void {
    this.#happened({ event: 'node-up', peer, name })
  }

  nodeDown(...[{ peer, name, reason }]: MeshEvents['nodeDown']): void {
    this.#happened({ event: 'node-down', peer, name, reason })
  }

  gap(...[{ pattern, from, epoch, first, last }]: MeshEvents['gap']): void {
    this.#happened({ event: 'gap', pattern, from, epoch, first, last })
  }

  httpListening(url: string): void {
    this.#print({ event: 'http-listening', url })
  }

  fileReceived({ peer, name, path, bytes, sha256 }: FileReceived): void {
    this.#happened({ event: 'file-received', peer, name, path, bytes, sha256 })
  }

  warning(code: string, text: string): void {
    this.#happened({ event: 'warning', code, text })
  }

  end(): void {}

  stopped(): void {
    this.#print({ event: 'stopped' })
  }

  /** Not printed at any price: others, and bad lines, can cause more of these than a slow reader takes. */
  #happened(event: object): void {
    this.#running.output.offer(Buffer.from(jsonLine(event)))
  }

  #print(event: object): void {
    this.#running.output.print(jsonLine(event))
  }

  async #read(): Promise<void> {
    const { stopping, failed, inputEnded } = this.#running
    try {
      for (let lines = await this.#input.batch(); lines !== null; lines = await this.#input.batch()) {
        for (const line of lines) {
          if (stopping.aborted) return
          await this.#obey(line)
        }
      }
    } catch (error) {
      if (stopping.aborted) return
      this.warning('input-failed', `standard input failed: ${reasonOf(error)}; nothing more is read`)
      failed()
    }
    await inputEnded()
  }

  async #obey(line: InputLine): Promise<void> {
    const { say, settings, failed } = this.#running
    try {
      if (line.kind === 'too-long') throw new MeshError('too-large', 'it is too long for any message')
      const instruction = parseInstruction(line.bytes)
      if (instruction.kind === 'malformed') this.warning('bad-instruction', `line ${line.number}: ${instruction.text}`)
      else if (instruction.kind === 'publish') await say(instruction.topic, instruction.data, instruction.options)
      else await say(settings.topic, line.bytes)
    } catch (error) {
      this.warning(codeOf(error), `line ${line.number} was not published: ${reasonOf(error)}`)
      failed()
    }
  }
}

/** The event that tells a message. */
export function messageEvent(message: Message): object {
  const { topic, from, id, sequence, hops, replayed, retained, data } = message
  return { event: 'message', topic, from, id, sequence, hops, replayed, retained, ...payloadFields(data) }
}

/** A payload inside JSON: `data` where it is UTF-8 text, else `data64`. */
export function payloadFields(data: Uint8Array): { data: string } | { data64: string } {
  const text = textOf(data)
  return text === null ? { data64: base64(data) } : { data: text }
}

/** As `payloadFields`, whichever is shorter inside JSON: control characters take six bytes each as text, and bodies are bounded. */
export function payloadJson(data: Uint8Array): { data: string } | { data64: string } {
  const fields = payloadFields(data)
  const isLong = 'data' in fields && JSON.stringify(fields.data).length > data.length * 1.34 + 64
  return isLong ? { data64: base64(data) } : fields
}

/** One line with its newline, without anything in it that is more than a character to a terminal. */
export function jsonLine(value: object): string {
  const text = JSON.stringify(value)
  const safe = text.replace(UNSAFE_IN_JSON, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return `${safe}\n`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}
