// Runs a command that talks to a node, in this process, against the local API of a node without a network.

import type { ClientCommand } from '../../../cli/client/flags.ts'
import { perform } from '../../../cli/client/perform.ts'
import type { ClientSettings } from '../../../cli/client/settings.ts'
import type { FakeApi } from '../api/fake-api.ts'
import { FakeHost } from '../fake-node.ts'
// Loading them takes more turns of the event loop than a test waits for anything.
import '../../../cli/api/server.ts'
import '../../../cli/client/reply.ts'
import '../../../cli/client/sub.ts'

export function settingsFor({ place }: Pick<FakeApi, 'place'>, changes: Partial<ClientSettings> = {}): ClientSettings {
  return {
    place,
    platform: process.platform,
    nodeEnvironment: { MESHD_API: place.path },
    json: false,
    timeoutMs: null,
    count: null,
    confirm: null,
    retain: false,
    ttlS: null,
    since: null,
    durable: null,
    order: null,
    exec: null,
    execParallel: 1,
    text: null,
    ...changes,
  } as ClientSettings
}

export interface CommandRun {
  readonly host: FakeHost
  /** Resolves with the exit code. */
  readonly ended: Promise<number>
}

export function startCommand(
  api: Pick<FakeApi, 'place'>,
  command: ClientCommand,
  words: readonly string[],
  changes: Partial<ClientSettings> = {},
  host: FakeHost = new FakeHost(),
): CommandRun {
  const ended = perform(command, settingsFor(api, changes), words, host)
  // The test awaits it when it wants to.
  ended.catch(() => undefined)
  return { host, ended }
}

/** Runs to the end with this standard input. */
export async function runCommand(
  api: Pick<FakeApi, 'place'>,
  command: ClientCommand,
  words: readonly string[],
  changes: Partial<ClientSettings> = {},
  input: string | Uint8Array = '',
): Promise<{ code: number; out: string; err: string }> {
  const host = new FakeHost()
  host.stdin.end(input)
  const code = await startCommand(api, command, words, changes, host).ended
  // What was written shows with the next turn.
  await new Promise((resolve) => setImmediate(resolve))
  return { code, out: host.out, err: host.err }
}
