import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clock, inUnits, progressLine, Rate } from '../../../cli/files/progress.ts'

test('the rate is that of the last seconds', () => {
  const rate = new Rate()
  assert.equal(rate.bytesPerSecond, 0)
  for (let s = 0; s <= 100; s++) rate.add(s * 1_000, s * 500)
  assert.equal(rate.bytesPerSecond, 500)
  for (let ms = 100_000; ms <= 110_000; ms += 10) rate.add(ms, 50_000 + (ms - 100_000) * 3)
  assert.ok(Math.abs(rate.bytesPerSecond - 3_000) < 60, String(rate.bytesPerSecond))
  rate.restart()
  assert.equal(rate.bytesPerSecond, 0)
})

test('the line fits its terminal and says how far, how fast and how long', () => {
  const progress = { name: 'film.mkv', bytes: 50 * 2 ** 20, size: 200 * 2 ** 20, bytesPerSecond: 10 * 2 ** 20 }
  const bar = '[#######.....................]'
  assert.equal(progressLine(progress, 80), `film.mkv ${bar}  25%   50.0 MiB   10.0 MiB/s  0:15 left`)
  for (let columns = 1; columns < 200; columns++) {
    const line = progressLine({ ...progress, name: 'a'.repeat(300) }, columns)
    assert.ok(line.length <= Math.max(1, columns - 1), `${columns}: ${line}`)
  }
  assert.match(progressLine({ ...progress, bytes: progress.size, state: 'verifying' }, 80), /100% .*verifying$/)
  assert.match(progressLine({ name: 'x', bytes: 0, size: 0, bytesPerSecond: 0 }, 80), /100%/)
  assert.ok(!progressLine({ ...progress, name: 'a\x1b[2Jb' }, 80).includes('\x1b'))
})

test('sizes and times are short', () => {
  assert.deepEqual([0, 1_023, 1_024, 1_536, 104_858_000, 2 ** 40].map(inUnits), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '100 MiB',
    '1.0 TiB',
  ])
  assert.deepEqual([0, 7, 61, 3_723, 10 ** 9].map(clock), ['0:00', '0:07', '1:01', '1:02:03', '99:59:59'])
})
