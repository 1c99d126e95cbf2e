// The model of the flood and its repair: every state of small networks is visited, and nothing is wrong in any of them. Then each
// of some rules is broken, and the error has to be found: a model that cannot fail shows nothing. docs/protocol.md, section 8.11.

import { goesWrong, holds } from './searches.ts'

holds(
  'a line has both messages in the end, though links fail twice, a queue is full, an answer is late and a copy is forged',
  'states',
  500_000,
  ...['LINE', 'FAILURES=2', 'LOSSES=1', 'TIMEOUTS=1', 'FORGERIES=1'],
)
holds(
  'a line has three messages in the end, though a link fails',
  'states',
  300_000,
  'LINE',
  'MESSAGES=3',
  'FAILURES=1',
)
holds(
  'a line loses nothing that was durable, though a link fails and a node crashes',
  'states',
  800_000,
  ...['LINE', 'DISK', 'FAILURES=1', 'CRASHES=1'],
)
holds(
  'a triangle has the message in the end, though links fail twice, one of them for good, a queue is full and an answer is late',
  'states',
  400_000,
  ...['MESSAGES=1', 'FAILURES=2', 'GONE=1', 'LOSSES=1', 'TIMEOUTS=1'],
)
holds('a triangle delivers two messages once each', 'states', 700_000, 'MESSAGES=2')
holds(
  'a triangle loses nothing that was durable, though a link fails and a node crashes',
  'states',
  400_000,
  ...['MESSAGES=1', 'DISK', 'FAILURES=1', 'CRASHES=1'],
)
holds(
  'a neighbour that claims everything and gives nothing keeps no message from the others',
  'states',
  250_000,
  ...['MESSAGES=1', 'LIAR=2', 'FAILURES=2', 'LOSSES=1'],
)

goesWrong(
  'marked before it is verified, a forged copy silences the true one',
  /^assertion violated \(seen\[me\]==\(delivered/,
  'states',
  ...['LINE', 'FORGERIES=1', 'WRONG_MARK_FIRST'],
)
goesWrong(
  'without repair on a link that returned, messages are missing',
  /^assertion violated .*seen\[me\]==seen\[peer\]/,
  'states',
  ...['LINE', 'FAILURES=1', 'WRONG_NO_REPAIR'],
)
goesWrong(
  'where a lazy link is not told of what it does not carry, messages are missing',
  /^assertion violated .*seen\[me\]==seen\[peer\]/,
  'states',
  ...['LINE', 'MESSAGES=1', 'TURNS=1', 'WRONG_SILENT'],
)
goesWrong(
  'claimed before it is durable, a bundle that was lost in a crash stays claimed',
  /^assertion violated .*claims& ~\(stored\[peer\]/,
  'states',
  ...['LINE', 'DISK', 'CRASHES=1', 'WRONG_CLAIM_EARLY'],
)
goesWrong(
  'stored without its bundle, a mark as seen loses the message in a crash',
  /^assertion violated \(stored\[me\]==seen\[me\]\)/,
  'states',
  ...['LINE', 'DISK', 'CRASHES=1', 'WRONG_SEEN_ALONE'],
)
goesWrong(
  'compared with what is held by now, digests hide from the other end what came in the meantime',
  /^assertion violated .*claims==stored\[peer\]/,
  'states',
  ...['LINE', 'DISK', 'FAILURES=1', 'WRONG_COMPARE_NOW'],
)
goesWrong(
  'told of more after an empty answer and asking again, a node asks a liar for ever',
  /^non-progress cycle/,
  'cycles',
  ...['MESSAGES=1', 'LIAR=2', 'WRONG_TRUST_MORE'],
)
