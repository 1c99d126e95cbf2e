// The settings of the program as one table: what help shows, what settings.ts reads from flags, environment and config
// file, and what docs/cli.md is held against by a test. Data only.

export type FlagKind = 'text' | 'texts' | 'boolean' | 'level'
export type Command = 'run' | 'id'

export interface Flag {
  /** As on the command line, without the dashes. In the environment `MESHD_` and the same in capitals. */
  readonly name: string
  readonly kind: FlagKind
  /** What stands for the value in help; absent for booleans. */
  readonly value?: string
  readonly meaning: string
  /** In words, as help shows it in parentheses. */
  readonly default: string
  readonly commands: readonly Command[]
}

export const LOG_LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug']
export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

const BOTH: readonly Command[] = ['run', 'id']
const RUN: readonly Command[] = ['run']

export const FLAGS: readonly Flag[] = [
  {
    name: 'listen',
    kind: 'texts',
    value: 'ADDR',
    meaning: 'accept connections here: host:port, [v6]:port, :port or a multiaddr; may be given many times',
    default: '[::]:6374',
    commands: BOTH,
  },
  {
    name: 'seed',
    kind: 'texts',
    value: 'ADDR',
    meaning: 'a node to connect to: host:port or a multiaddr, with /p2p/ID to insist on who it is; many times',
    default: 'none',
    commands: RUN,
  },
  {
    name: 'network',
    kind: 'text',
    value: 'NAME',
    meaning: 'which network; nodes meet only inside one',
    default: 'default',
    commands: BOTH,
  },
  {
    name: 'network-key',
    kind: 'text',
    value: 'FILE',
    meaning: "a private network's secret; - reads it from the first line of standard input",
    default: 'none, an open network',
    commands: RUN,
  },
  {
    name: 'name',
    kind: 'text',
    value: 'NAME',
    meaning: 'shown to people beside the id',
    default: 'host name',
    commands: BOTH,
  },
  {
    name: 'data-dir',
    kind: 'text',
    value: 'DIR',
    meaning: 'where the identity is kept',
    default: "the platform's data folder",
    commands: BOTH,
  },
  {
    name: 'ephemeral',
    kind: 'boolean',
    meaning: 'keep nothing: a new identity each time',
    default: 'off',
    commands: BOTH,
  },
  {
    name: 'mdns',
    kind: 'boolean',
    meaning: 'find neighbours on the local network; --no-mdns: do not',
    default: 'on',
    commands: RUN,
  },
  {
    name: 'topic',
    kind: 'text',
    value: 'TOPIC',
    meaning: 'where lines from standard input go, and what is printed',
    default: 'chat',
    commands: RUN,
  },
  {
    name: 'subscribe',
    kind: 'texts',
    value: 'PATTERN',
    meaning: 'print this too: a topic, or a pattern with + and #; many times',
    default: 'none',
    commands: RUN,
  },
  { name: 'json', kind: 'boolean', meaning: 'for programs: one JSON object a line', default: 'off', commands: BOTH },
  {
    name: 'log-level',
    kind: 'level',
    value: 'LEVEL',
    meaning: 'how much is told on standard error: error, warn, info or debug',
    default: 'info',
    commands: RUN,
  },
  { name: 'quiet', kind: 'boolean', meaning: 'tell errors only', default: 'off', commands: RUN },
]

/** Names the file that holds settings; it stands in no file itself. */
export const CONFIG_FLAG: Flag = {
  name: 'config',
  kind: 'text',
  value: 'FILE',
  meaning: 'settings as a JSON object, with these names in camelCase',
  default: 'none',
  commands: BOTH,
}

/** `MESHD_LOG_LEVEL` for `log-level`. */
export function environmentNameOf(flag: Flag): string {
  return `MESHD_${flag.name.toUpperCase().replaceAll('-', '_')}`
}

/** `logLevel` for `log-level`. */
export function configNameOf(flag: Flag): string {
  return flag.name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}
