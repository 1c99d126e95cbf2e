// How one want is shared out between the origins that something is missing of, so that a long one does not hold up the others.
// docs/protocol.md, "Repair".

import { WANT_RANGES_MAX } from '../limits.ts'
import type { Claim } from './claims.ts'
import { countNumbers, lowest, type Spans } from './spans.ts'

/** Of one claim, numbers that can be asked for; at least one. */
export interface Askable {
  readonly claim: Claim
  readonly spans: Spans
}

/**
 * Parts the bounds of a want (so many numbers, and the ranges that any want may have) evenly between claims, and what some do
 * not need between the others, in their order. Claims for which nothing is left are not among the result.
 */
export function sharesOf(found: readonly Askable[], numbersMax: number): readonly Askable[] {
  const numbersShare = Math.max(1, Math.floor(numbersMax / found.length))
  const rangesShare = Math.max(1, Math.floor(WANT_RANGES_MAX / found.length))
  let numbersLeft = numbersMax
  let rangesLeft = WANT_RANGES_MAX
  const chosen: Askable[] = []
  for (const { claim, spans } of found) {
    const some = lowest(spans, Math.min(numbersShare, numbersLeft), Math.min(rangesShare, rangesLeft))
    if (some.length === 0) break
    numbersLeft -= countNumbers(some)
    rangesLeft -= some.length / 2
    chosen.push({ claim, spans: some })
  }
  return chosen.map(({ claim, spans }, i) => {
    const all = found[i]!.spans
    const [numbers, ranges] = [countNumbers(spans), spans.length / 2]
    const more = lowest(all, numbers + numbersLeft, ranges + rangesLeft)
    numbersLeft -= countNumbers(more) - numbers
    rangesLeft -= more.length / 2 - ranges
    return { claim, spans: more }
  })
}
