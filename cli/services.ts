// What a run serves beside its talk, where the settings ask for it: HTTP for those who watch the node, and the receiving of files.
// Each is loaded only then.

import type { Socket } from 'node:net'
import type { FileReceiver } from './files/receiver.ts'
import type { HttpServer } from './http/http-server.ts'
import type { Host, MeshNode, Mode } from './mode.ts'
import type { Settings } from './settings.ts'

export interface ServicesParts {
  readonly settings: Pick<Settings, 'http' | 'acceptFiles' | 'acceptFilesBytesMax'>
  readonly mesh: MeshNode
  readonly host: Pick<Host, 'agent' | 'nowMs'>
  readonly mode: Pick<Mode, 'httpListening' | 'fileReceived' | 'warning'>
}

export class Services {
  readonly #parts: ServicesParts
  #http: HttpServer | null = null
  #receiver: FileReceiver | null = null
  #url: string | null = null
  #isRunning = false

  constructor(parts: ServicesParts) {
    this.#parts = parts
  }

  /** Before the node starts, so that nothing comes too early. Rejects with Failure `accept-files` or `listen-failed`. */
  async open(): Promise<void> {
    const { acceptFiles, http } = this.#parts.settings
    if (acceptFiles !== null) await this.#receiveFiles(acceptFiles)
    if (http !== null) await this.#serveHttp(http)
  }

  /** The node runs. */
  started(): void {
    this.#isRunning = true
    if (this.#url !== null) this.#parts.mode.httpListening(this.#url)
  }

  /** Before the node stops. May be called at any time. */
  async close(): Promise<void> {
    this.#isRunning = false
    await Promise.all([this.#http?.close(), this.#receiver?.close()])
  }

  async #receiveFiles(path: string): Promise<void> {
    const { settings, mesh, mode, host } = this.#parts
    const [{ FileReceiver }, { ReceivingFolder }, { FILES_PROTOCOL }] = await Promise.all([
      import('./files/receiver.ts'),
      import('./files/receiving-folder.ts'),
      import('./files/messages.ts'),
    ])
    const receiver = new FileReceiver({
      self: () => mesh.id,
      folder: await ReceivingFolder.open(path, Date.now),
      fileBytesMax: settings.acceptFilesBytesMax,
      nowMs: () => host.nowMs(),
      received: (file) => mode.fileReceived(file),
      failed: (text) => mode.warning('file-failed', text),
    })
    this.#receiver = receiver
    mesh.handle(FILES_PROTOCOL, (stream) => receiver.handle(stream))
  }

  async #serveHttp(place: NonNullable<Settings['http']>): Promise<void> {
    const { mesh, host } = this.#parts
    const { HttpServer, HTTP_PREFIXES } = await import('./http/http-server.ts')
    const stats = (): ReturnType<MeshNode['stats']> | null => (this.#isRunning ? mesh.stats() : null)
    // Loaded by the first who asks: most nodes are never watched, and it costs memory and timers.
    let metrics: Promise<import('./http/metrics.ts').Metrics> | null = null
    const server = new HttpServer({
      health: () => {
        const now = stats()
        return now === null ? null : { status: 'ok', id: mesh.id, neighbours: now.neighbours }
      },
      metrics: async () => {
        metrics ??= import('./http/metrics.ts').then(
          ({ Metrics }) => new Metrics({ stats, agent: host.agent, nowMs: () => host.nowMs() }),
        )
        return (await metrics).render()
      },
    })
    this.#http = server
    if (place.kind === 'own') this.#url = await server.listen(place.host, place.port)
    else for (const prefix of HTTP_PREFIXES) mesh.sniff(prefix, (socket) => server.take(socket as Socket))
  }
}
