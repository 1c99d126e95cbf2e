// The way of talking for pipes: each line of standard input is one message, each payload received is one line on standard
// output and nothing else stands there; all that is for people goes to standard error. docs/cli.md, "In a pipe".

import { MeshError, reasonOf } from '../lib/errors.ts'
import { PAYLOAD_BYTES_MAX } from '../lib/limits.ts'
import type { MeshEvents, Message } from '../lib/types.ts'
import type { FileReceived } from './files/receiver.ts'
import { Happenings } from './happenings.ts'
import type { LineInput } from './input.ts'
import type { InputLine } from './lines.ts'
import type { Mode, Running } from './mode.ts'
import { People } from './people.ts'
import { printable } from './printable.ts'

const NEWLINE = Uint8Array.of(0x0a)

export class Pipe implements Mode {
  readonly #running: Running
  readonly #input: LineInput
  readonly #happenings: Happenings

  constructor(running: Running, input: LineInput) {
    this.#running = running
    this.#input = input
    this.#happenings = new Happenings(running.notices, new People(running.settings.name), running.stopping)
  }

  begin(): void {
    this.#read()
  }

  message(message: Message): Promise<void> | undefined {
    const { host, output, readsStore } = this.#running
    // Into a pipe the payload goes as it is; a terminal must not obey what others send.
    const line = host.stdout.isTTY === true ? Buffer.from(printable(message.text())) : message.data
    if (readsStore) return output.deliver([line, NEWLINE], () => message.ack())
    output.offer(line, NEWLINE)
    return undefined
  }

  listening(...[event]: MeshEvents['listening']): void {
    this.#happenings.listening(event)
  }

  neighbourUp(...[event]: MeshEvents['neighbourUp']): void {
    this.#happenings.neighbourUp(event)
  }

  neighbourDown(...[event]: MeshEvents['neighbourDown']): void {
    this.#happenings.neighbourDown(event)
  }

  dialFailed(...[event]: MeshEvents['dialFailed']): void {
    this.#happenings.dialFailed(event)
  }

  nodeUp(...[event]: MeshEvents['nodeUp']): void {
    this.#happenings.nodeUp(event)
  }

  nodeDown(...[event]: MeshEvents['nodeDown']): void {
    this.#happenings.nodeDown(event)
  }

  gap(...[event]: MeshEvents['gap']): void {
    this.#happenings.gap(event)
  }

  httpListening(url: string): void {
    this.#happenings.httpListening(url)
  }

  fileReceived(file: FileReceived): void {
    this.#happenings.fileReceived(file)
  }

  warning(_code: string, text: string): void {
    this.#running.notices.warn(text)
  }

  end(): void {}

  stopped(): void {
    this.#running.notices.info('stopped')
  }

  async #read(): Promise<void> {
    const { stopping, notices, settings, inputEnded } = this.#running
    try {
      for (let lines = await this.#input.batch(); lines !== null; lines = await this.#input.batch()) {
        for (const line of lines) {
          if (stopping.aborted) return
          await this.#publish(line)
        }
      }
      if (settings.exitAfterInput) notices.info('end of input; waiting until every message is confirmed')
      else notices.info('end of input; the node stays until it is told to stop')
    } catch (error) {
      if (stopping.aborted) return
      notices.error(`standard input failed: ${reasonOf(error)}; nothing more is read`)
      this.#running.failed()
    }
    await inputEnded()
  }

  async #publish(line: InputLine): Promise<void> {
    const { say, settings, notices, failed } = this.#running
    try {
      if (line.kind === 'too-long') {
        throw new MeshError(
          'too-large',
          `it is longer than ${PAYLOAD_BYTES_MAX} bytes, the most that a message can have`,
        )
      }
      await say(settings.topic, line.bytes)
    } catch (error) {
      notices.error(`line ${line.number} was not published: ${reasonOf(error)}`)
      failed()
    }
  }
}
