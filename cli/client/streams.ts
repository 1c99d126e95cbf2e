// `meshd pipe` and `meshd cp` as commands: what the user typed, made into what pipe-command.ts and cp-command.ts are to do.

import { checkProtocolNames } from '../../lib/streams/registry.ts'
import { UsageError } from '../failures.ts'
import { copy, parseTarget } from '../files/cp-command.ts'
import { pipe as carry } from '../pipe-command.ts'
import { checked } from './checked.ts'
import type { CommandContext } from './perform.ts'
import { streamDoor } from './stream-door.ts'

const OPEN_MS = 10_000
const COPY_RETRY_MS = 600_000

/** Resolves with the exit code. Rejects with UsageError, or with what kept the stream from opening or broke it. */
export async function pipe({ client, settings, words, host }: CommandContext): Promise<number> {
  const { listen, timeoutMs } = settings
  const [peer, protocol, ...more] = listen === null ? words : [null, listen, ...words]
  if (peer === undefined || protocol === undefined || more.length > 0) {
    throw new UsageError('meshd pipe takes either PEER PROTOCOL, or --listen PROTOCOL alone')
  }
  checked(peer === null ? '--listen' : 'PROTOCOL', protocol, (name) => checkProtocolNames([name]))
  const openMs = timeoutMs ?? (peer === null ? null : OPEN_MS)
  return carry({ peer, protocol, openMs }, streamDoor(client), host)
}

/** Resolves with the exit code. Rejects as `copy`. */
export async function cp({ client, settings, words, host }: CommandContext): Promise<number> {
  const [file, target] = words
  const retryForMs = settings.timeoutMs ?? COPY_RETRY_MS
  return copy({ file: file!, ...parseTarget(target!), json: settings.json, retryForMs }, streamDoor(client), host)
}
