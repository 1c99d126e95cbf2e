import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, printableShort } from '../../cli/printable.ts'

const SHOWN: readonly [name: string, given: string, shown: string][] = [
  ['ordinary text', 'Grüße, 世界, Привет, 🙂', 'Grüße, 世界, Привет, 🙂'],
  ['a tab', 'a\tb', 'a b'],
  ['an escape sequence', '\x1b[2J\x1b]0;title\x07', '\\x1b[2J\\x1b]0;title\\x07'],
  ['a NUL', '\0', '\\x00'],
  ['line breaks', 'a\r\nb', 'a\\x0d\\x0ab'],
  ['a delete', '\x7f', '\\x7f'],
  ['a C1 control', '\x9b31m', '\\x9b31m'],
  ['embeddings and overrides', '\u202a\u202b\u202c\u202d\u202e', '\\u202a\\u202b\\u202c\\u202d\\u202e'],
  ['isolates', '\u2066\u2067\u2068\u2069', '\\u2066\\u2067\\u2068\\u2069'],
  ['direction marks', '\u200e\u200f\u061c', '\\u200e\\u200f\\u061c'],
  ['line and paragraph separators', '\u2028\u2029', '\\u2028\\u2029'],
  ['lone surrogates', 'a\ud800b\udc00', 'a\\ud800b\\udc00'],
  ['a byte order mark', '\ufeffa', '\\ufeffa'],
  ['zero-width characters between Latin letters', 'a\u200bb\u200cc\u200dd\u2060', 'a\\u200bb\\u200cc\\u200dd\\u2060'],
  ['a soft hyphen', 'a\u00adb', 'a\\xadb'],
  ['a tag character', 'a\u{e0041}', 'a\\u{e0041}'],
  ['a blank that is a letter', '\u3164', '\\u3164'],
  ['a picture joined of several', '👩\u200d👩\u200d👧', '👩\u200d👩\u200d👧'],
  ['a joined picture with modifiers', '👩🏽\u200d🚀 ❤\ufe0f\u200d🔥', '👩🏽\u200d🚀 ❤\ufe0f\u200d🔥'],
  ['a joiner without a picture before it', 'x\u200d👧', 'x\\u200d👧'],
  ['a joiner at either end', '\u200d👧\u200d', '\\u200d👧\\u200d'],
  ['a Persian word with its non-joiner', 'می\u200cخواهم', 'می\u200cخواهم'],
  ['a non-joiner between pictures', '👩\u200c👩', '👩\\u200c👩'],
]

for (const [name, given, shown] of SHOWN) {
  test(`printable shows ${name}`, () => {
    assert.equal(printable(given), shown)
  })
}

test('nothing that a terminal could obey is left of any UTF-16 unit', () => {
  const all = Array.from({ length: 0x10000 }, (_, unit) => String.fromCharCode(unit)).join('x')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  assert.doesNotMatch(printable(all), /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Cs}/u)
})

test('what is printable stays as it is', () => {
  const once = printable('\x1b[31m\u202eabc')
  assert.equal(printable(once), once)
})

test('text that is too long is cut and says how much is missing', () => {
  assert.equal(printableShort('abcdef', 6), 'abcdef')
  assert.equal(printableShort('abcdefg', 6), 'abcdef… (1 more)')
  assert.equal(printableShort('a🙂', 2), 'a\\ud83d… (1 more)')
})
