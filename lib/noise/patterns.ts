// The handshake patterns of the Noise specification (revision 34, section 7 and appendix 18.1) as the tables that it prints, and
// its psk modifiers (section 9). What the tokens do is handshake-state.ts. docs/protocol.md sections 5 and 9.

export type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss' | 'psk'

export interface Pattern {
  /** Whether the other side must know this side's static key before the first message. */
  readonly initiatorKnown: boolean
  readonly responderKnown: boolean
  /** The tokens of each message; the initiator writes the first, then they alternate. */
  readonly messages: readonly (readonly Token[])[]
  /** How many pre-shared keys it takes, in the order in which its messages use them. */
  readonly psks: number
}

// Before the dots: the static keys known beforehand (-> the initiator's, <- the responder's). After them: the messages.
const TABLE: Readonly<Record<string, string>> = {
  N: '<- s ... -> e es',
  K: '-> s <- s ... -> e es ss',
  X: '<- s ... -> e es s ss',

  NN: '... -> e <- e ee',
  NK: '<- s ... -> e es <- e ee',
  NX: '... -> e <- e ee s es',
  XN: '... -> e <- e ee -> s se',
  XK: '<- s ... -> e es <- e ee -> s se',
  XX: '... -> e <- e ee s es -> s se',
  KN: '-> s ... -> e <- e ee se',
  KK: '-> s <- s ... -> e es ss <- e ee se',
  KX: '-> s ... -> e <- e ee se s es',
  IN: '... -> e s <- e ee se',
  IK: '<- s ... -> e es s ss <- e ee se',
  IX: '... -> e s <- e ee se s es',

  NK1: '<- s ... -> e <- e ee es',
  NX1: '... -> e <- e ee s -> es',
  X1N: '... -> e <- e ee -> s <- se',
  X1K: '<- s ... -> e es <- e ee -> s <- se',
  XK1: '<- s ... -> e <- e ee es -> s se',
  X1K1: '<- s ... -> e <- e ee es -> s <- se',
  X1X: '... -> e <- e ee s es -> s <- se',
  XX1: '... -> e <- e ee s -> es s se',
  X1X1: '... -> e <- e ee s -> es s <- se',
  K1N: '-> s ... -> e <- e ee -> se',
  K1K: '-> s <- s ... -> e es <- e ee -> se',
  KK1: '-> s <- s ... -> e <- e ee se es',
  K1K1: '-> s <- s ... -> e <- e ee es -> se',
  K1X: '-> s ... -> e <- e ee s es -> se',
  KX1: '-> s ... -> e <- e ee se s -> es',
  K1X1: '-> s ... -> e <- e ee s -> se es',
  I1N: '... -> e s <- e ee -> se',
  I1K: '<- s ... -> e es s <- e ee -> se',
  IK1: '<- s ... -> e s <- e ee se es',
  I1K1: '<- s ... -> e s <- e ee es -> se',
  I1X: '... -> e s <- e ee s es -> se',
  IX1: '... -> e s <- e ee se s -> es',
  I1X1: '... -> e s <- e ee s -> se es',
}

/** The patterns without modifiers that are known here. */
export const PATTERN_NAMES: readonly string[] = Object.freeze(Object.keys(TABLE))

/** Read once each: a node's handshakes all have the same one. */
const patterns = new Map<string, Pattern>()

/** The pattern of a name such as `XX`, `XXpsk0` or `IKpsk1+psk2`. Throws TypeError on a name that is not known. */
export function patternOf(name: string): Pattern {
  let pattern = patterns.get(name)
  if (pattern === undefined) {
    pattern = readPattern(name)
    patterns.set(name, pattern)
  }
  return pattern
}

function readPattern(name: string): Pattern {
  const [, base, modifiers] = /^([A-Z0-9]+)(psk\d(?:\+psk\d)*)?$/.exec(name) ?? []
  const row = base === undefined ? undefined : TABLE[base]
  if (row === undefined) throw new TypeError(`unknown Noise pattern: ${name}`)
  const [known, spoken] = row.split('...') as [string, string]
  const messages = spoken
    .split(/->|<-/)
    .slice(1)
    .map((text) => text.trim().split(' ') as Token[])
  const places = modifiers?.split('+').map((modifier) => Number(modifier.slice(3))) ?? []
  for (const place of places) addPsk(name, messages, place)
  return {
    initiatorKnown: known.includes('->'),
    responderKnown: known.includes('<-'),
    messages,
    psks: places.length,
  }
}

/** psk0 opens the first message; every other number closes the message of that number. */
function addPsk(name: string, messages: Token[][], place: number): void {
  const message = messages[place === 0 ? 0 : place - 1]
  if (message === undefined) throw new TypeError(`unknown Noise pattern: ${name}`)
  if (place === 0) message.unshift('psk')
  else message.push('psk')
}
