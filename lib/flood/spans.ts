// Sets of sequence numbers as flat lists: first, last, first, last, … ascending, disjoint, not touching, both ends included.
// What arithmetic repair needs on them, in time that follows the ranges and not the numbers. docs/protocol.md, "Repair".

/** first, last, first, last, … as said above. Functions here change a list only where they say so. */
export type Spans = readonly number[]

const NOTHING: Spans = Object.freeze([])

/** Index of the first range whose last number is at least `number`; the count of ranges when there is none. */
export function indexEndingFrom(spans: Spans, number: number): number {
  let low = 0
  let high = spans.length >>> 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (spans[middle * 2 + 1]! < number) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether all of first…last are in it. */
export function covers(spans: Spans, first: number, last: number): boolean {
  const at = indexEndingFrom(spans, first) * 2
  return at < spans.length && spans[at]! <= first && spans[at + 1]! >= last
}

/** Whether any of first…last is in it. */
export function touches(spans: Spans, first: number, last: number): boolean {
  const at = indexEndingFrom(spans, first) * 2
  return at < spans.length && spans[at]! <= last
}

/** How many numbers it has. */
export function countNumbers(spans: Spans): number {
  let count = 0
  for (let at = 0; at < spans.length; at += 2) count += spans[at + 1]! - spans[at]! + 1
  return count
}

/** Puts first…last into `spans`. */
export function include(spans: number[], first: number, last: number): void {
  const length = spans.length
  if (length > 0 && first === spans[length - 1]! + 1) {
    spans[length - 1] = last
    return
  }
  const from = indexEndingFrom(spans, first - 1) * 2
  let to = from
  let begin = first
  let end = last
  while (to < length && spans[to]! <= last + 1) {
    if (spans[to]! < begin) begin = spans[to]!
    if (spans[to + 1]! > end) end = spans[to + 1]!
    to += 2
  }
  if (to - from === 2) {
    spans[from] = begin
    spans[from + 1] = end
  } else {
    spans.splice(from, to - from, begin, end)
  }
}

/** Takes first…last out of `spans`. */
export function exclude(spans: number[], first: number, last: number): void {
  const from = indexEndingFrom(spans, first) * 2
  if (from >= spans.length || spans[from]! > last) return
  let to = from
  while (to < spans.length && spans[to]! <= last) to += 2
  const begin = spans[from]!
  const end = spans[to - 1]!
  if (begin < first && end > last) spans.splice(from, to - from, begin, first - 1, last + 1, end)
  else if (begin < first) spans.splice(from, to - from, begin, first - 1)
  else if (end > last && to - from === 2) spans[from] = last + 1
  else if (end > last) spans.splice(from, to - from, last + 1, end)
  else spans.splice(from, to - from)
}

/** What is in `spans` and not in `others`. May be `spans` itself. */
export function without(spans: Spans, others: Spans): Spans {
  if (spans.length === 0 || others.length === 0) return spans
  let other = indexEndingFrom(others, spans[0]!) * 2
  if (other >= others.length || others[other]! > spans[spans.length - 1]!) return spans
  const rest: number[] = []
  for (let at = 0; at < spans.length; at += 2) {
    let first = spans[at]!
    const last = spans[at + 1]!
    while (other < others.length && others[other + 1]! < first) other += 2
    for (let inside = other; first <= last; inside += 2) {
      if (inside >= others.length || others[inside]! > last) {
        rest.push(first, last)
        break
      }
      if (others[inside]! > first) rest.push(first, others[inside]! - 1)
      first = others[inside + 1]! + 1
      other = inside
    }
  }
  return rest
}

/** What is in both. */
export function common(one: Spans, other: Spans): Spans {
  if (one.length === 0 || other.length === 0) return NOTHING
  const both: number[] = []
  let b = indexEndingFrom(other, one[0]!) * 2
  for (
    let a = b < other.length ? indexEndingFrom(one, other[b]!) * 2 : one.length;
    a < one.length && b < other.length;
  ) {
    const first = Math.max(one[a]!, other[b]!)
    const last = Math.min(one[a + 1]!, other[b + 1]!)
    if (first <= last) both.push(first, last)
    if (one[a + 1]! < other[b + 1]!) a += 2
    else b += 2
  }
  return both
}

/** What is in either. May be one of them. */
export function union(one: Spans, other: Spans): Spans {
  if (one.length === 0) return other
  if (other.length === 0) return one
  const all: number[] = []
  let a = 0
  let b = 0
  while (a < one.length || b < other.length) {
    const fromOne = b >= other.length || (a < one.length && one[a]! <= other[b]!)
    const first = fromOne ? one[a]! : other[b]!
    const last = fromOne ? one[a + 1]! : other[b + 1]!
    if (fromOne) a += 2
    else b += 2
    const end = all.length - 1
    if (end > 0 && first <= all[end]! + 1) {
      if (last > all[end]!) all[end] = last
    } else {
      all.push(first, last)
    }
  }
  return all
}

/** What of it is at most `number`. May be `spans` itself. */
export function upTo(spans: Spans, number: number): Spans {
  if (spans.length === 0 || spans[spans.length - 1]! <= number) return spans
  const at = indexEndingFrom(spans, number) * 2
  const some = spans.slice(0, at)
  if (spans[at]! <= number) some.push(spans[at]!, number)
  return some
}

/** Its lowest numbers: at most so many numbers in at most so many ranges. May be `spans` itself. */
export function lowest(spans: Spans, numbersMax: number, rangesMax: number): Spans {
  let left = numbersMax
  const end = Math.min(spans.length, rangesMax * 2)
  for (let at = 0; at < end; at += 2) {
    const count = spans[at + 1]! - spans[at]! + 1
    if (count <= left) {
      left -= count
      continue
    }
    const some = spans.slice(0, at)
    if (left > 0) some.push(spans[at]!, spans[at]! + left - 1)
    return some
  }
  return end === spans.length ? spans : spans.slice(0, end)
}
