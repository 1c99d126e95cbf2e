import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { StopSignals } from '../../cli/signals.ts'

function watched(): { signals: EventEmitter; handler: StopSignals; stops: () => number; exits: number[] } {
  const signals = new EventEmitter()
  const exits: number[] = []
  let stops = 0
  const stop = (): void => {
    stops++
  }
  const handler = new StopSignals({ signals, stop, exit: (code) => void exits.push(code) })
  return { signals, handler, stops: () => stops, exits }
}

test('the first signal asks for a stop, the second one ends the process with its own code', () => {
  const { signals, stops, exits } = watched()
  signals.emit('SIGTERM')
  assert.deepEqual([stops(), exits], [1, []])
  signals.emit('SIGINT')
  assert.deepEqual([stops(), exits], [1, [130]])
})

test('each signal has its exit code', () => {
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    const { signals, stops, exits } = watched()
    signals.emit(name)
    signals.emit(name)
    assert.deepEqual([stops(), exits], [1, [code]])
  }
})

test('Ctrl-C in a terminal counts as the signal', () => {
  const { handler, signals, stops, exits } = watched()
  handler.received('SIGINT')
  signals.emit('SIGTERM')
  assert.deepEqual([stops(), exits], [1, [143]])
})

test('after release nothing listens any more', () => {
  const { handler, signals } = watched()
  assert.equal(signals.eventNames().length, 3)
  handler.release()
  assert.deepEqual(signals.eventNames(), [])
})
