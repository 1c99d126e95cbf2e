// The local API of a node without a network, on a socket in a folder of its own, and callers of it.

import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { LocalApi } from '../../../cli/api/local-api.ts'
import type { ApiPlace } from '../../../cli/api/place.ts'
import { NodeClient } from '../../../cli/client/node-client.ts'
import { FakeMesh } from '../fake-node.ts'

export interface FakeApi {
  readonly mesh: FakeMesh
  readonly api: LocalApi
  readonly place: ApiPlace
  readonly client: NodeClient
  readonly folder: string
  readonly warnings: string[]
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-api-test-'))
  context.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }))
  return folder
}

/** Listens until the test is over. */
export async function startApi(context: TestContext, options: { heartbeatMs?: number } = {}): Promise<FakeApi> {
  const folder = temporaryFolder(context)
  const place = { path: join(folder, 'api.sock'), isChosen: false }
  const mesh = new FakeMesh({})
  const warnings: string[] = []
  const facts = { name: 'me', network: 'default', agent: 'meshd/test', dataDir: folder }
  const platform = process.platform
  const api = new LocalApi({ node: mesh, place, facts, platform, ...options, warn: (code) => warnings.push(code) })
  await api.open()
  context.after(() => api.close())
  return { mesh, api, place, client: new NodeClient(place, platform), folder, warnings }
}

/** One call as any program would make it. `body`: text, sent as JSON unless the headers say otherwise. */
export function call(
  { place }: Pick<FakeApi, 'place'>,
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: place.path, method, path, headers, agent: false })
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    request.end(body)
  })
}

/** The status and the code of an error. */
export function errorOf({ status, text }: Answered): [status: number, code: string] {
  return [status, JSON.parse(text).error.code]
}
