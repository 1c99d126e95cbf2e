import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Suspension } from '../../lib/io/suspension.ts'

/** A machine that has been up for a day, and a process that began on it now. */
class Machine {
  awakeMs = 5_000
  upMs = 86_400_000
  looks = 0
  readonly suspension: Suspension = new Suspension(() => {
    this.looks++
    return this.upMs
  }, this.awakeMs)

  works(ms: number): void {
    this.awakeMs += ms
    this.upMs += ms
  }

  get totalMs(): number {
    return this.suspension.totalMs(this.awakeMs)
  }
}

test('the time for which the machine was suspended counts, each time', () => {
  const machine = new Machine()
  machine.works(10_000)
  assert.equal(machine.totalMs, 0)
  machine.upMs += 36_000_000
  machine.works(250)
  assert.equal(machine.totalMs, 36_000_000)
  machine.works(60_000)
  assert.equal(machine.totalMs, 36_000_000)
  machine.upMs += 2_000
  machine.works(250)
  assert.equal(machine.totalMs, 36_002_000)
})

test('a machine that works for long was never suspended, however coarse its time is', () => {
  const machine = new Machine()
  for (let i = 0; i < 10_000; i++) {
    machine.works(333.3)
    const exactMs = machine.upMs
    machine.upMs = Math.floor(exactMs / 10) * 10
    assert.equal(machine.totalMs, 0)
    machine.upMs = exactMs
  }
})

test('it looks four times a second at most, and time never goes back', () => {
  const machine = new Machine()
  for (let i = 0; i < 1_000; i++) {
    machine.works(1)
    machine.suspension.totalMs(machine.awakeMs)
  }
  assert.equal(machine.looks, 5)
  machine.upMs += 5_000
  machine.works(250)
  assert.equal(machine.totalMs, 5_000)
  machine.upMs -= 100_000
  machine.works(250)
  assert.equal(machine.totalMs, 5_000)
})

test('where the machine does not tell how long it is up, nothing is added and it is not asked again', () => {
  let asked = 0
  const suspension = new Suspension(() => {
    asked++
    throw new Error('not permitted')
  }, 0)
  for (let ms = 0; ms < 10_000; ms += 100) assert.equal(suspension.totalMs(ms), 0)
  assert.equal(asked, 1)
})
