import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskBrake, SIP_BYTES, SIP_MS } from '../../lib/link/disk-brake.ts'
import { FakeClock } from './fake-clock.ts'

class FakeStore {
  isBehind = true
  readonly listeners = new Set<() => void>()

  onEased(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  ease(): void {
    this.isBehind = false
    for (const listener of this.listeners) listener()
  }
}

test('while the disk is behind each link may read a little now and then, and all of it afterwards', () => {
  const clock = new FakeClock()
  const store = new FakeStore()
  const brake = new DiskBrake(clock, store)
  assert.ok(brake.isOn)
  const letGo: string[] = []
  const wait = (name: string): void => brake.whenOff((bytesMax) => letGo.push(`${name} ${bytesMax}`))
  wait('a')
  clock.advance(SIP_MS / 2)
  wait('b')
  assert.deepEqual(letGo, [])
  clock.advance(SIP_MS / 2)
  assert.deepEqual(letGo.splice(0), [`a ${SIP_BYTES}`, `b ${SIP_BYTES}`])
  clock.advance(10 * SIP_MS)
  assert.deepEqual(letGo, [], 'once each')
  wait('a')
  store.ease()
  assert.ok(!brake.isOn)
  assert.deepEqual(letGo.splice(0), ['a 0'])
  assert.equal(clock.timerCount, 0)
})

test('closed, it tells nobody and leaves nothing behind', () => {
  const clock = new FakeClock()
  const store = new FakeStore()
  const brake = new DiskBrake(clock, store)
  brake.whenOff(() => assert.fail())
  brake.close()
  clock.advance(10 * SIP_MS)
  store.ease()
  assert.equal(clock.timerCount, 0)
  assert.equal(store.listeners.size, 0)
})
