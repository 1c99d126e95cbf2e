// Makes text that came from elsewhere safe to show in a terminal or a log: nothing in it can move the cursor, change
// colours, turn the writing direction or hide. It does not judge look-alike letters. Payloads that go to a pipe or a file
// do not pass here: there the bytes are the user's own.

/**
 * Controls, lone surrogates, line and paragraph separators, and what is invisible by default (writing direction, zero
 * width, tags, fillers, the byte order mark); variation selectors stay, they only choose among pictures of one character.
 */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u{fff9}-\u{fffb}]/gu
const VARIATION_SELECTOR = /[\u{fe00}-\u{fe0f}\u{180b}-\u{180d}\u{180f}\u{e0100}-\u{e01ef}]/u

/** A zero-width joiner that makes one picture of two. */
const JOINED_PICTURES = /^\p{Extended_Pictographic}$/u
const PICTURE_MODIFIER = /^[\u{fe0f}\u{1f3fb}-\u{1f3ff}]$/u
/** Scripts whose spelling needs the zero-width joiner and non-joiner. */
const JOINING_LETTER =
  /^[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}]$/u

/**
 * The text with everything unsafe written out as `\x1b`, `\u202e` or `\u{e0001}`; a tab becomes a space. The result never
 * holds a line break, so it stays on the line it is printed on.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character, at: number) => {
    if (character === '\t') return ' '
    if (VARIATION_SELECTOR.test(character) || isSpelling(character, text, at)) return character
    const point = character.codePointAt(0)!
    if (point <= 0xff) return `\\x${point.toString(16).padStart(2, '0')}`
    if (point <= 0xffff) return `\\u${point.toString(16).padStart(4, '0')}`
    return `\\u{${point.toString(16)}}`
  })
}

/** As `printable`, cut to `unitsMax` UTF-16 units of the given text, and saying how much was left out. */
export function printableShort(text: string, unitsMax: number): string {
  if (text.length <= unitsMax) return printable(text)
  return `${printable(text.slice(0, unitsMax))}… (${text.length - unitsMax} more)`
}

/** True for a joiner between two characters that are ordinarily written with it. */
function isSpelling(character: string, text: string, at: number): boolean {
  if (character !== '\u200c' && character !== '\u200d') return false
  const before = characterBefore(text, at)
  const after = characterAt(text, at + 1)
  if (JOINING_LETTER.test(before)) return JOINING_LETTER.test(after)
  if (character === '\u200c') return false
  const picture = PICTURE_MODIFIER.test(before) ? characterBefore(text, at - before.length) : before
  return JOINED_PICTURES.test(picture) && JOINED_PICTURES.test(after)
}

function characterAt(text: string, at: number): string {
  const point = text.codePointAt(at)
  return point === undefined ? '' : String.fromCodePoint(point)
}

function characterBefore(text: string, at: number): string {
  const wide = at >= 2 ? characterAt(text, at - 2) : ''
  return wide.length === 2 ? wide : text.slice(Math.max(0, at - 1), at)
}
