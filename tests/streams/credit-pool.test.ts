import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as limits from '../../lib/limits.ts'
import { CreditPool, type WindowBudget } from '../../lib/streams/credit-pool.ts'
import { seeded } from '../crypto/seeded.ts'

const roomy = (): WindowBudget => ({ bytes: 0, bytesMax: limits.ALL_WINDOWS_BYTES_MAX })
const KIB = 1_024

test('the first streams get 256 KiB, later ones 64, the last ones 4, and all that a link may have fit its bound', () => {
  const pool = new CreditPool(roomy())
  const windows = Array.from({ length: limits.STREAMS_PER_LINK_MAX }, () => pool.open())
  assert.deepEqual([...new Set(windows)], [256 * KIB, 64 * KIB, 4 * KIB])
  assert.equal(windows.filter((window) => window === 256 * KIB).length, 32)
  assert.equal(windows.filter((window) => window === 64 * KIB).length, 64)
  assert.ok(pool.bytes <= limits.LINK_WINDOWS_BYTES_MAX, `${pool.bytes}`)
})

test('a window doubles up to 8 MiB, and a stream that comes then still gets 64 KiB', () => {
  const pool = new CreditPool(roomy())
  let window = pool.open()
  for (let larger = pool.grow(window); larger > window; larger = pool.grow(window)) window = larger
  assert.equal(window, limits.STREAM_WINDOW_BYTES_MAX)
  for (let i = 0; i < limits.STREAMS_OPENING_MAX; i++) assert.equal(pool.open(), 64 * KIB)
  assert.equal(pool.open(), 4 * KIB)
})

test('a window of a crowded link is halved, but not below a fair share', () => {
  const pool = new CreditPool(roomy())
  let large = pool.open()
  for (let i = 0; i < 5; i++) large = pool.grow(large)
  assert.equal(pool.fair(large), large, 'not crowded yet')
  for (let i = 0; i < 20; i++) pool.open()
  assert.ok(pool.bytes > limits.LINK_WINDOWS_CROWDED_BYTES)
  assert.equal(pool.grow(large), large, 'it does not grow any more')
  assert.equal(pool.fair(large), large / 2)
  assert.equal(pool.fair(64 * KIB), 64 * KIB)
})

test('what many links hold together is bounded too, and each stream has its least window', () => {
  const shared: WindowBudget = { bytes: 0, bytesMax: 600 * KIB }
  const [one, other] = [new CreditPool(shared), new CreditPool(shared)]
  assert.equal(one.open(), 256 * KIB)
  assert.equal(other.open(), 256 * KIB)
  assert.equal(one.grow(256 * KIB), 256 * KIB)
  assert.equal(one.open(), 64 * KIB)
  assert.equal(other.open(), 4 * KIB)
  other.close(4 * KIB)
  other.close(256 * KIB)
  assert.equal(shared.bytes, (256 + 64) * KIB)
  assert.equal(one.grow(256 * KIB), 512 * KIB)
})

test('whatever happens, the sum is right and within its bound', () => {
  const random = seeded(17)
  const shared = roomy()
  const pool = new CreditPool(shared)
  const windows: number[] = []
  for (let i = 0; i < 20_000; i++) {
    const at = random.below(windows.length)
    const what = random.below(10)
    if (what < 4 && windows.length < limits.STREAMS_PER_LINK_MAX) windows.push(pool.open())
    else if (windows.length === 0) continue
    else if (what < 6) windows[at] = pool.grow(windows[at]!)
    else if (what < 8) {
      const fair = pool.fair(windows[at]!)
      pool.giveBack(windows[at]! - fair)
      windows[at] = fair
    } else if (what === 8) pool.close(windows.splice(at, 1)[0]!)
    assert.equal(pool.windows, windows.length)
    assert.ok(pool.bytes <= limits.LINK_WINDOWS_BYTES_MAX)
  }
  assert.equal(
    pool.bytes,
    windows.reduce((sum, window) => sum + window, 0),
  )
  for (const window of windows) pool.close(window)
  assert.equal(shared.bytes, 0)
})
