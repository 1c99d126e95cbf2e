// Runs a command that talks to the running node. Each is loaded when it is asked for.

import type { Host } from '../mode.ts'
import type { ClientCommand } from './flags.ts'
import { NodeClient } from './node-client.ts'
import type { ClientSettings } from './settings.ts'

/** The process as a command sees it. */
export type ClientHost = Pick<Host, 'stdin' | 'stdout' | 'stderr' | 'signals' | 'exit' | 'nowMs'>

export interface CommandContext {
  readonly client: NodeClient
  readonly settings: ClientSettings
  /** As many as the command takes (commands.ts). */
  readonly words: readonly string[]
  readonly host: ClientHost
}

/** Resolves with the exit code. Rejects with UsageError, Failure or what a stream failed with. */
export type PerformCommand = (context: CommandContext) => Promise<number>

const COMMANDS: Readonly<Record<ClientCommand, () => Promise<PerformCommand>>> = {
  status: async () => (await import('./look.ts')).status,
  peers: async () => (await import('./look.ts')).peers,
  nodes: async () => (await import('./look.ts')).nodes,
  topics: async () => (await import('./look.ts')).topics,
  pub: async () => (await import('./pub.ts')).pub,
  sub: async () => (await import('./sub.ts')).sub,
  send: async () => (await import('./direct.ts')).send,
  request: async () => (await import('./direct.ts')).request,
  reply: async () => (await import('./reply.ts')).reply,
  ping: async () => (await import('./ping.ts')).ping,
  pipe: async () => (await import('./streams.ts')).pipe,
  cp: async () => (await import('./streams.ts')).cp,
}

export async function perform(
  command: ClientCommand,
  settings: ClientSettings,
  words: readonly string[],
  host: ClientHost,
): Promise<number> {
  const run = await COMMANDS[command]()
  return run({ client: new NodeClient(settings.place, settings.platform), settings, words, host })
}
