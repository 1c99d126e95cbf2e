// The commands that talk to a running node, and the flags that are theirs alone. Data only.

import type { Flag } from '../flags.ts'

export const CLIENT_COMMANDS = [
  'status',
  'peers',
  'nodes',
  'topics',
  'pub',
  'sub',
  'send',
  'request',
  'reply',
  'ping',
  'pipe',
  'cp',
] as const
export type ClientCommand = (typeof CLIENT_COMMANDS)[number]

export const CLIENT_FLAGS: readonly Flag[] = [
  {
    name: 'listen',
    kind: 'text',
    value: 'PROTOCOL',
    meaning: 'wait for the next stream that another node opens by this name',
    default: 'none',
    commands: ['pipe'],
    lineOnly: true,
  },
  {
    name: 'timeout',
    kind: 'text',
    value: 'DURATION',
    meaning: 'give up after so long, with exit code 4',
    default: '10s; pub: 30s for a confirmation; sub, reply, pipe --listen: none; cp: 10m in which nothing moves',
    commands: CLIENT_COMMANDS,
    lineOnly: true,
  },
  {
    name: 'count',
    kind: 'whole',
    value: 'N',
    meaning: 'leave after so many messages, requests or pings',
    default: 'sub, reply: without end; ping: 4',
    commands: ['sub', 'reply', 'ping'],
    lineOnly: true,
  },
  {
    name: 'confirm',
    kind: 'whole',
    value: 'N',
    meaning: 'wait until so many neighbours say that they hold each message',
    default: '0; 1 for standard input',
    commands: ['pub'],
    lineOnly: true,
  },
  {
    name: 'retain',
    kind: 'boolean',
    meaning: 'it is the current value of its topic: those who come later get it too',
    default: 'off',
    commands: ['pub'],
    lineOnly: true,
  },
  {
    name: 'ttl',
    kind: 'text',
    value: 'DURATION',
    meaning: 'nobody delivers or keeps it for longer, at most 7d',
    default: 'as long as messages are kept; with --retain 7d',
    commands: ['pub'],
    lineOnly: true,
  },
  {
    name: 'exec',
    kind: 'text',
    value: 'COMMAND',
    meaning:
      'run this in a shell for each message or request: payload on its standard input, the rest in MESHD_TOPIC, MESHD_FROM, …',
    default: 'none, print the messages',
    commands: ['sub', 'reply'],
    lineOnly: true,
  },
  {
    name: 'exec-parallel',
    kind: 'whole',
    value: 'N',
    meaning: 'how many of these commands may run at once',
    default: '1',
    commands: ['sub', 'reply'],
    lineOnly: true,
  },
  {
    name: 'text',
    kind: 'text',
    value: 'TEXT',
    meaning: 'answer every request with this',
    default: 'none',
    commands: ['reply'],
    lineOnly: true,
  },
]
