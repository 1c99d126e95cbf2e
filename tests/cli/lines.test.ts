import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LINES_PER_TURN_MAX, LineInput } from '../../cli/input.ts'
import { type InputLine, LineSplitter } from '../../cli/lines.ts'
import { utf8 } from '../../lib/bytes.ts'

function split(chunks: readonly Uint8Array[], lineBytesMax = 100): string[] {
  const splitter = new LineSplitter(lineBytesMax)
  const lines = [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()]
  return lines.map(shown)
}

function shown(line: InputLine): string {
  return `${line.number}:${line.kind === 'line' ? Buffer.from(line.bytes).toString('latin1') : '!'}`
}

test('lines come out in order, each without its newline', () => {
  assert.deepEqual(split([utf8('one\ntwo\n')]), ['1:one', '2:two'])
})

test('the last line counts without a newline, an empty rest does not', () => {
  assert.deepEqual(split([utf8('one\ntwo')]), ['1:one', '2:two'])
  assert.deepEqual(split([utf8('one\n')]), ['1:one'])
  assert.deepEqual(split([]), [])
})

test('an empty line is a line', () => {
  assert.deepEqual(split([utf8('\n\na\n')]), ['1:', '2:', '3:a'])
})

test('one carriage return before the newline belongs to it, any other to the line', () => {
  assert.deepEqual(split([utf8('a\r\nb\r\r\nc\rd\ne\r')]), ['1:a', '2:b\r', '3:c\rd', '4:e\r'])
})

test('bytes that are no text pass unchanged', () => {
  assert.deepEqual(split([Uint8Array.of(0xff, 0x00, 0x0a, 0xc3)]), ['1:\xff\x00', '2:\xc3'])
})

test('it does not matter where the chunks are cut', () => {
  const bytes = utf8('one\r\n\ntwo is longer\nthree\r')
  const whole = split([bytes], 8)
  assert.deepEqual(whole, ['1:one', '2:', '3:!', '4:three\r'])
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(split([bytes.subarray(0, at), bytes.subarray(at)], 8), whole, `cut at ${at}`)
  }
  assert.deepEqual(
    split(
      Array.from(bytes, (byte) => Uint8Array.of(byte)),
      8,
    ),
    whole,
  )
})

test('a line of the largest size passes, one byte more does not, and the next line is untouched', () => {
  assert.deepEqual(split([utf8('12345678\nok\n')], 8), ['1:12345678', '2:ok'])
  assert.deepEqual(split([utf8('12345678\r\nok\n')], 8), ['1:12345678', '2:ok'])
  assert.deepEqual(split([utf8('123456789\nok\n')], 8), ['1:!', '2:ok'])
  assert.deepEqual(split([utf8('12345678\r')], 8), ['1:!'])
  assert.deepEqual(split([utf8('123456789')], 8), ['1:!'])
})

test('a line that never ends holds no memory', () => {
  const splitter = new LineSplitter(8)
  for (let i = 0; i < 1_000; i++) assert.deepEqual(splitter.push(utf8('0123456789')), [])
  assert.deepEqual(splitter.end().map(shown), ['1:!'])
})

test('an unfinished line does not change when its chunk is used again', () => {
  const splitter = new LineSplitter(8)
  const chunk = Buffer.from('abc')
  splitter.push(chunk)
  chunk.fill(0x7a)
  assert.deepEqual(splitter.push(utf8('d\n')).map(shown), ['1:abcd'])
})

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield utf8(text)
}

test('an input gives one line alone, then the rest in batches', async () => {
  const input = new LineInput(chunks('key\none\ntwo\nth', 'ree\n', 'four'), 100)
  assert.equal(shown((await input.line())!), '1:key')
  assert.deepEqual((await input.batch())?.map(shown), ['2:one', '3:two'])
  assert.deepEqual((await input.batch())?.map(shown), ['4:three'])
  assert.deepEqual((await input.batch())?.map(shown), ['5:four'])
  assert.equal(await input.batch(), null)
  assert.equal(await input.batch(), null)
})

test('a chunk of very many lines comes in several batches, with a turn of the event loop between', async () => {
  const input = new LineInput(chunks('\n'.repeat(2 * LINES_PER_TURN_MAX + 1)), 100)
  const sizes: number[] = []
  let turns = 0
  for (let batch = await input.batch(); batch !== null; batch = await input.batch()) {
    sizes.push(batch.length)
    setImmediate(() => turns++)
  }
  assert.deepEqual(sizes, [LINES_PER_TURN_MAX, LINES_PER_TURN_MAX, 1])
  assert.ok(turns >= 2)
})

test('an empty input has no first line', async () => {
  assert.equal(await new LineInput(chunks(), 100).line(), null)
})

test('an input reads nothing before it is asked, and one chunk at a time', async () => {
  let read = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for (const text of ['a\n', 'b\n']) {
      read++
      yield utf8(text)
    }
  }
  const input = new LineInput(counted(), 100)
  assert.equal(read, 0)
  await input.batch()
  assert.equal(read, 1)
})

test('an input fails with what its stream fails with', async () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield utf8('a\n')
    throw new Error('torn')
  }
  const input = new LineInput(failing(), 100)
  await input.batch()
  await assert.rejects(input.batch(), /torn/)
})
