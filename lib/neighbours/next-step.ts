// What a dialer does after a connection or a try has ended, by the goodbye code that it was given. A pure function.
// docs/protocol.md section 5.8.

import type { MeshError } from '../errors.ts'
import { GoodbyeCode } from '../framing/goodbye.ts'
import { BAN_FIRST_MS } from './bans.ts'

/** How often someone who does not admit us is asked again: a certificate may have been issued meanwhile. */
export const NOT_ADMITTED_WAIT_MS = 3_600_000

export type NextStep =
  /** Try again with the usual back-off. */
  | { readonly kind: 'retry' }
  /** Try again, after half to all of the longest back-off. */
  | { readonly kind: 'retry-later' }
  /** Try again after exactly so long. */
  | { readonly kind: 'wait'; readonly waitMs: number }
  /** Drop the address; it may be told to us again. */
  | { readonly kind: 'forget' }
  /** It is our own: keep it, so that we know, and never dial it again; a name is tried again with the usual back-off. */
  | { readonly kind: 'ours' }

/**
 * `goodbyeCode`: null when the connection ended without one. `asked`: a seed or a program's wish, which is kept whatever
 * happens; other addresses are candidates, of which there are more. `direction`: who dialled that connection; `in`: the other end.
 *
 * | code | next step |
 * | --- | --- |
 * | none, 0 shutting down | back-off: it may be restarting |
 * | 1 duplicate | none while another link with that peer stands (the table sees to that), else back-off |
 * | 2 too many neighbours | 30 to 60 s with the default back-off |
 * | 3 protocol error | the same: it will fail again until one of the two is updated |
 * | 4 not admitted | asked for: hourly; candidate: forgotten |
 * | 5 misbehaviour | the length of a first ban |
 * | 6 idle | asked for: as code 2; candidate: forgotten until someone names it again |
 * | 6 on a link that the other end dialled | asked for: back-off, for the wish is our own; candidate: as code 2 |
 * | 7 self | never; a name: back-off |
 * | unknown | as code 0 |
 */
export function nextStep(goodbyeCode: number | null, asked: boolean, direction: 'in' | 'out' = 'out'): NextStep {
  switch (goodbyeCode) {
    case GoodbyeCode.tooMany:
    case GoodbyeCode.protocolError:
      return { kind: 'retry-later' }
    case GoodbyeCode.notAdmitted:
      return asked ? { kind: 'wait', waitMs: NOT_ADMITTED_WAIT_MS } : { kind: 'forget' }
    case GoodbyeCode.misbehaviour:
      return { kind: 'wait', waitMs: BAN_FIRST_MS }
    case GoodbyeCode.idle:
      if (direction === 'in') return asked ? { kind: 'retry' } : { kind: 'retry-later' }
      return asked ? { kind: 'retry-later' } : { kind: 'forget' }
    case GoodbyeCode.self:
      return { kind: 'ours' }
    default:
      return { kind: 'retry' }
  }
}

/** What follows a try that led to no open link. `provenOurs`: the other end has proven to be ourselves. */
export function stepAfterTry(
  error: MeshError,
  provenOurs: boolean,
  goodbyeCode: number | null,
  asked: boolean,
): NextStep {
  // Only an identity proves that an address is ours: TCP alone also meets itself on a port where nobody listens yet.
  if (provenOurs) return { kind: 'ours' }
  if (error.code === 'banned') return { kind: 'retry-later' }
  if (error.code === 'disconnected' && !asked) return { kind: 'forget' }
  return nextStep(goodbyeCode, asked)
}
