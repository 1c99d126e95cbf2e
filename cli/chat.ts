// The way of talking for people: a prompt at the bottom of the terminal, and above it what others say. Everything that
// comes from elsewhere passes `printable`, and stands behind `<name>`, so that nobody can make a line look like the
// program's own. docs/cli.md, "In a terminal".

import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline'
import { reasonOf } from '../lib/errors.ts'
import { shortId } from '../lib/identity/peer-id.ts'
import type { MeshEvents, Message, NeighbourSnapshot, NodeSnapshot } from '../lib/types.ts'
import type { FileReceived } from './files/receiver.ts'
import { Happenings, nextTry, readable } from './happenings.ts'
import { type Keys, keysOf } from './keys.ts'
import type { Mode, Running } from './mode.ts'
import { People } from './people.ts'
import { printable, printableShort } from './printable.ts'

const HELP = [
  'type a line and press Enter: everyone on the topic sees it',
  '/peers   who is connected, and whom this node tries to reach',
  '/nodes   who is in the network',
  '/help    this',
  '/quit    leave (Ctrl-D too)',
  'a line that should begin with / is typed with two: //like this',
]
/** A longer message is shown by its beginning. */
const SHOWN_UNITS_MAX = 4_096
/** Lines that one turn of the event loop may put on the screen; nobody reads more. */
const LINES_PER_TURN_MAX = 1_000

export class Chat implements Mode {
  readonly #running: Running
  readonly #people: People
  readonly #happenings: Happenings
  #keys: Keys | null = null
  #terminal: Interface | null = null
  /** True while the cursor stands behind a prompt. */
  #prompted = false
  #lines: string[] = []
  #linesLeftOut = 0

  constructor(running: Running) {
    this.#running = running
    this.#people = new People(running.settings.name)
    this.#happenings = new Happenings(running.notices, this.#people, running.stopping)
  }

  begin(): void {
    const { host, settings, stop, interrupt } = this.#running
    this.show(`* network ${settings.network}, topic ${settings.topic}; /help for help`)
    this.#flush()
    this.#keys = keysOf(host.stdin)
    const terminal = createInterface({ input: this.#keys, output: host.stdout, terminal: true, prompt: '> ' })
    this.#terminal = terminal
    terminal.on('line', (line) => this.#typed(line))
    terminal.on('SIGINT', interrupt)
    // Ctrl-D, or the terminal is gone.
    terminal.on('close', stop)
    this.#prompt()
  }

  message(message: Message): Promise<void> | undefined {
    const elsewhere = message.topic === this.#running.settings.topic ? '' : ` [${message.topic}]`
    const text = printableShort(message.text(), SHOWN_UNITS_MAX)
    this.show(`<${this.#people.label(message.from)}>${printable(elsewhere)} ${text}`)
    message.ack()
    // A long history comes as fast as it is shown.
    const isMuch = this.#running.readsStore && this.#lines.length >= LINES_PER_TURN_MAX / 2
    return isMuch ? new Promise((resolve) => setImmediate(resolve)) : undefined
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

  end(): void {
    this.#flush()
    const terminal = this.#terminal
    this.#terminal = null
    if (terminal === null) return
    // What is printed from here on begins below the prompt.
    if (this.#prompted) this.#running.host.stdout.write('\n')
    terminal.close()
    this.#keys?.release()
  }

  stopped(): void {
    this.#flush()
  }

  /** Puts a printable line above the prompt, together with the others of this turn. */
  show(line: string): void {
    if (this.#lines.length >= LINES_PER_TURN_MAX) {
      this.#linesLeftOut++
      return
    }
    if (this.#lines.length === 0) setImmediate(() => this.#flush())
    this.#lines.push(line)
  }

  #flush(): void {
    if (this.#lines.length === 0) return
    if (this.#linesLeftOut > 0) this.#lines.push(`* ${this.#linesLeftOut} more lines came at once and were left out`)
    const text = `${this.#lines.join('\n')}\n`
    this.#lines = []
    this.#linesLeftOut = 0
    const { stdout } = this.#running.host
    const terminal = this.#terminal
    if (terminal === null) {
      stdout.write(text)
      return
    }
    // What is being typed may fill several rows. They are wiped, the text takes their place, and below it as many rows are
    // made as readline goes up again before it draws the prompt anew.
    const { rows } = terminal.getCursorPos()
    moveCursor(stdout, 0, -rows)
    cursorTo(stdout, 0)
    clearScreenDown(stdout)
    stdout.write(text + '\n'.repeat(rows))
    terminal.prompt(true)
  }

  #prompt(): void {
    if (this.#running.stopping.aborted) return
    this.#prompted = true
    this.#terminal?.prompt()
  }

  #typed(line: string): void {
    this.#prompted = false
    if (line.startsWith('/') && !line.startsWith('//')) this.#command(line.trim())
    else if (line !== '') this.#say(line.startsWith('//') ? line.slice(1) : line)
    this.#prompt()
  }

  async #say(line: string): Promise<void> {
    try {
      await this.#running.say(this.#running.settings.topic, line)
    } catch (error) {
      this.#running.notices.error(`this was not published: ${reasonOf(error)}`)
    }
  }

  #command(command: string): void {
    switch (command) {
      case '/peers':
        this.#showPeers()
        break
      case '/nodes':
        this.#showNodes()
        break
      case '/help':
        for (const line of HELP) this.show(`* ${line}`)
        break
      case '/quit':
        this.#running.stop()
        break
      default:
        this.show(`* unknown command ${printable(command)}; known are /peers, /nodes, /help and /quit`)
    }
  }

  #showPeers(): void {
    const neighbours = this.#running.mesh.neighbours()
    const open = neighbours.filter(({ state }) => state === 'open')
    this.show(`* ${open.length} connected${open.length === 0 ? '' : ':'}`)
    for (const neighbour of open) this.show(`*   ${this.#describeOpen(neighbour)}`)
    for (const neighbour of neighbours) {
      if (neighbour.state !== 'open') this.show(`*   ${this.#describeOther(neighbour)}`)
    }
  }

  #showNodes(): void {
    const nodes = this.#running.mesh.nodes()
    const up = nodes.filter((node) => node.up)
    this.show(`* ${up.length} in the network${up.length === 0 ? '' : ':'}`)
    for (const node of up) this.show(`*   ${describeNode(node)}`)
    for (const node of nodes) if (!node.up) this.show(`*   ${describeNode(node)}`)
  }

  #describeOpen({ peer, address, direction, roundTripMs }: NeighbourSnapshot): string {
    const how = direction === 'in' ? 'from' : 'at'
    const pace = roundTripMs === null ? '' : `, ${roundTripMs.toFixed(1)} ms`
    return printable(`${this.#people.full(peer ?? '')} ${how} ${readable(address)}${pace}`)
  }

  #describeOther({ state, address, lastError, retryInMs }: NeighbourSnapshot): string {
    const why = lastError === null ? '' : `: ${lastError}`
    return printable(`${readable(address)} ${state}${why}${nextTry(retryInMs)}`)
  }
}

function describeNode({ peer, name, hops, up, lastHeardMs }: NodeSnapshot): string {
  const who = name === '' ? shortId(peer) : `${name} (${shortId(peer)})`
  const heardS = Math.round(lastHeardMs / 1000)
  if (!up) return printable(`${who} gone, last heard ${heardS} s ago`)
  if (hops === 0) return printable(`${who}, this node`)
  return printable(`${who}, ${hops === null ? 'way unknown' : hops === 1 ? 'a neighbour' : `${hops} links away`}`)
}
