// The same model with links that turn lazy, and the searches for runs that never become quiet. docs/protocol.md, section 8.11.

import { holds } from './searches.ts'

holds(
  'a line has the message in the end, though links turn lazy and eager again, and one fails',
  'states',
  35_000,
  ...['LINE', 'MESSAGES=1', 'TURNS=3', 'FAILURES=1', 'TIMEOUTS=1'],
)
holds(
  'a triangle has the message in the end, though any of its links turn lazy and one fails',
  'states',
  300_000,
  ...['MESSAGES=1', 'TURNS=4', 'FAILURES=1'],
)
holds(
  'a line with lazy links loses nothing that was durable, though a node crashes',
  'states',
  200_000,
  ...['LINE', 'DISK', 'TURNS=2', 'CRASHES=1'],
)

holds('a line always becomes quiet', 'cycles', 200_000, 'LINE', 'FAILURES=1', 'LOSSES=1', 'TIMEOUTS=1')
holds(
  'a line with a disk always becomes quiet after a crash',
  'cycles',
  50_000,
  ...['LINE', 'MESSAGES=1', 'DISK', 'FAILURES=1', 'CRASHES=1', 'TIMEOUTS=1'],
)
holds('a triangle always becomes quiet', 'cycles', 80_000, 'MESSAGES=1', 'FAILURES=1', 'TIMEOUTS=1')
holds(
  'a triangle whose links turn lazy always becomes quiet',
  'cycles',
  1_000_000,
  'MESSAGES=1',
  'TURNS=3',
  'FAILURES=1',
)
holds('a liar keeps nobody busy for ever', 'cycles', 300_000, 'MESSAGES=1', 'LIAR=2', 'FAILURES=1', 'LOSSES=1')
