// The settings of the program as one table: what help shows, what settings.ts reads from flags, environment and config
// file, and what docs/cli.md is held against by a test. Data only.

import { CLIENT_COMMANDS, CLIENT_FLAGS, type ClientCommand } from './client/flags.ts'

export type FlagKind = 'text' | 'texts' | 'boolean' | 'level' | 'whole'
export type Command = 'run' | 'id' | ClientCommand

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
  /** It says what is to be done this time: it stands neither in the environment nor in the config file. */
  readonly lineOnly?: true
}

export const LOG_LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug']
export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

const BOTH: readonly Command[] = ['run', 'id']
const RUN: readonly Command[] = ['run']
const READING: readonly Command[] = ['run', 'sub']
/** Those that ask where the node's folder is. */
const ALL: readonly Command[] = [...BOTH, ...CLIENT_COMMANDS]

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
    commands: ALL,
  },
  {
    name: 'ephemeral',
    kind: 'boolean',
    meaning: 'keep nothing: a new identity each time',
    default: 'off',
    commands: ALL,
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
  {
    name: 'since',
    kind: 'text',
    value: 'WHEN',
    meaning:
      'print what is stored from there on, then what is live: 90s, 10m, 24h, 7d back, a message id, stored or retained',
    default: 'now',
    commands: READING,
  },
  {
    name: 'durable',
    kind: 'text',
    value: 'NAME',
    meaning: 'remember under this name what was printed, and go on behind it at the next start',
    default: 'none',
    commands: READING,
  },
  {
    name: 'order',
    kind: 'text',
    value: 'ORDER',
    meaning: "arrival, or origin: each node's messages in its own order, waiting up to 30 s for what is missing",
    default: 'arrival',
    commands: READING,
  },
  {
    name: 'exit-after-input',
    kind: 'boolean',
    meaning: 'leave at the end of input, once a neighbour has confirmed every message',
    default: 'off',
    commands: RUN,
  },
  {
    name: 'confirm-timeout',
    kind: 'text',
    value: 'DURATION',
    meaning: 'how long --exit-after-input waits for that after the end of input',
    default: '30s',
    commands: RUN,
  },
  {
    name: 'store-size',
    kind: 'text',
    value: 'SIZE',
    meaning: 'how much is kept for repair and history, as 64M or 1G; 0 keeps nothing',
    default: '1G, with --ephemeral 64M',
    commands: RUN,
  },
  {
    name: 'store-age',
    kind: 'text',
    value: 'DURATION',
    meaning: 'how long it is kept',
    default: '24h, with --ephemeral 10m',
    commands: RUN,
  },
  {
    name: 'degree',
    kind: 'whole',
    value: 'N',
    meaning: 'neighbours to choose among the nodes found; 0: none but those asked for',
    default: '6',
    commands: RUN,
  },
  {
    name: 'flood',
    kind: 'text',
    value: 'HOW',
    meaning: 'adaptive: each message comes over one link, the others tell of it; or eager: over every link',
    default: 'adaptive',
    commands: RUN,
  },
  {
    name: 'accept-files',
    kind: 'text',
    value: 'DIR',
    meaning: 'keep files that other nodes send with meshd cp in this folder',
    default: 'off',
    commands: RUN,
  },
  {
    name: 'accept-files-max',
    kind: 'text',
    value: 'SIZE',
    meaning: 'the largest file to be taken',
    default: '1G',
    commands: RUN,
  },
  {
    name: 'http',
    kind: 'text',
    value: 'ADDR',
    meaning: 'serve /healthz and /metrics: PORT on this machine alone, HOST:PORT, or same for the port of the mesh',
    default: 'off',
    commands: RUN,
  },
  { name: 'json', kind: 'boolean', meaning: 'for programs: one JSON object a line', default: 'off', commands: ALL },
  {
    name: 'log-level',
    kind: 'level',
    value: 'LEVEL',
    meaning: 'how much is told on standard error: error, warn, info or debug',
    default: 'info',
    commands: RUN,
  },
  { name: 'quiet', kind: 'boolean', meaning: 'tell errors only', default: 'off', commands: RUN },
  {
    name: 'api',
    kind: 'text',
    value: 'PATH',
    meaning: "the node's local socket: `meshd run` makes it, the other commands ask there",
    default: 'api.sock in the data folder; with --ephemeral none',
    commands: ['run', ...CLIENT_COMMANDS],
  },
  ...CLIENT_FLAGS,
]

/** Names the file that holds settings; it stands in no file itself. */
export const CONFIG_FLAG: Flag = {
  name: 'config',
  kind: 'text',
  value: 'FILE',
  meaning: 'settings as a JSON object, with these names in camelCase',
  default: 'none',
  commands: ALL,
}

/** `MESHD_LOG_LEVEL` for `log-level`. */
export function environmentNameOf(flag: Flag): string {
  return `MESHD_${flag.name.toUpperCase().replaceAll('-', '_')}`
}

/** `logLevel` for `log-level`. */
export function configNameOf(flag: Flag): string {
  return flag.name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}
