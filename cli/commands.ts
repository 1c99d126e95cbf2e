// The commands of the program as one table: what help shows of each, and the words it takes beside its flags. Data only.

import type { Command } from './flags.ts'

export interface CommandEntry {
  /** The words behind the command, as help shows them: capitals stand for a value, brackets for what may be left out. */
  readonly words: string
  readonly meaning: string
  readonly examples: readonly (readonly [line: string, meaning: string])[]
}

export const COMMANDS: Readonly<Record<Command, CommandEntry>> = {
  run: {
    words: '',
    meaning: 'Run a node in the foreground',
    examples: [
      ['$0', 'a chat with every node on the local network'],
      ['$0 --seed 192.0.2.7 --name alice', 'the same, through a node elsewhere'],
      ['tail -F log | $0 --topic logs --quiet', 'each line is a message; what others say is printed'],
      ['$0 --topic logs --since 1h < /dev/null', 'what was said in the last hour, then what is said now'],
      ['sort report | $0 --exit-after-input', 'sends its input, waits until a neighbour has it, and leaves'],
      ['$0 --json --listen :0 --ephemeral', 'for programs: events as JSON, a free port, nothing kept'],
    ],
  },
  id: {
    words: '',
    meaning: "Show this node's peer id and how to reach it",
    examples: [
      ['$0 id', 'the id, and an address a line'],
      ['$0 id --json --data-dir /var/lib/meshd', 'the same for programs'],
    ],
  },
  status: {
    words: '',
    meaning: 'Show the running node: who it is, what it has and did',
    examples: [
      ['$0 status', 'a fact a line'],
      ['$0 status --json | jq .stats', 'every counter'],
    ],
  },
  peers: {
    words: '',
    meaning: "Show the running node's neighbours, and whom it tries to reach",
    examples: [['$0 peers', 'a table; --json gives an object a line']],
  },
  nodes: {
    words: '',
    meaning: 'Show all nodes of the network that are known',
    examples: [['$0 nodes', 'a table; --json gives an object a line']],
  },
  topics: {
    words: '',
    meaning: 'Show the topics on which something was heard',
    examples: [['$0 topics', 'a table, the newest first; --json gives an object a line']],
  },
  pub: {
    words: 'TOPIC [DATA]',
    meaning: 'Publish; without DATA, each line of standard input is a message',
    examples: [
      ['$0 pub chat "hello everybody"', 'one message'],
      ['$0 pub door/state open --retain', 'who comes later gets it too'],
      ['tail -F log | $0 pub logs', 'each line as it comes'],
      ['$0 pub orders --confirm 2 < orders.txt', 'done when two neighbours hold every one'],
    ],
  },
  sub: {
    words: 'PATTERN',
    meaning: 'Print what arrives on a topic or pattern (+ is one level, # all below)',
    examples: [
      ['$0 sub "sensors/#"', 'what comes from now on'],
      ['$0 sub logs --since 10m', 'the last ten minutes, then what comes'],
      ['$0 sub jobs --durable worker', 'goes on behind the last one printed'],
      ['$0 sub alarm --count 1 --timeout 1h', 'waits for one message'],
      [`$0 sub photos --durable p --exec 'cat > "$MESHD_SEQUENCE.jpg"'`, 'a command for each, again until it succeeds'],
    ],
  },
  send: {
    words: 'PEER TOPIC [DATA]',
    meaning: 'Send one message to one node; without DATA it is standard input',
    examples: [['$0 send alice inbox "only for you"', 'done when it has been acknowledged']],
  },
  request: {
    words: 'PEER TOPIC [DATA]',
    meaning: 'Ask one node and print its answer; without DATA the question is standard input',
    examples: [
      ['$0 request alice time ""', 'an empty question'],
      ['$0 request 4kQGcZvM render < page.html > page.pdf', 'by the end of a peer id, bytes in and out'],
    ],
  },
  reply: {
    words: 'TOPIC',
    meaning: 'Answer what other nodes request on a topic: by a command, with a text, or with --json by a program',
    examples: [
      [`$0 reply time --exec date`, 'what the command prints is the answer'],
      [`$0 reply render --exec './render -' --exec-parallel 4`, 'the question on its standard input, four at once'],
      ['$0 reply version --text 1.2.3', 'always the same'],
      ['coproc $0 reply sums --json', 'requests out and answers in, a JSON object a line each'],
    ],
  },
  ping: {
    words: 'PEER',
    meaning: 'Measure the way to a node, neighbour or not: links and time',
    examples: [['$0 ping alice --count 10', 'one a second']],
  },
  pipe: {
    words: '[PEER] [PROTOCOL]',
    meaning: 'Carry standard input and output over a stream to another node',
    examples: [
      ['$0 pipe --listen /backup > disk.img', 'waits for one stream, on one node'],
      ['$0 pipe alice /backup < /dev/sdb', 'opens it, on another'],
    ],
  },
  cp: {
    words: 'FILE PEER[:NAME]',
    meaning: 'Send a file to a node that runs with --accept-files; goes on after every break',
    examples: [
      ['$0 cp film.mkv alice', 'done when it is there, whole and verified'],
      ['$0 cp film.mkv alice:holiday.mkv', 'under another name'],
    ],
  },
}
