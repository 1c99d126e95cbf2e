import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR_FAULTS, type ErrorCode, MeshError, reasonOf, unreachable } from '../lib/errors.ts'

test('an error knows whose fault it is by its code', () => {
  for (const [code, fault] of Object.entries(ERROR_FAULTS) as [ErrorCode, string][]) {
    const error = new MeshError(code, 'text')
    assert.deepEqual([error.code, error.fault, error.message, error.name], [code, fault, 'text', 'MeshError'])
    assert.ok(error instanceof Error)
  }
})

test('an error keeps its cause', () => {
  const cause = new Error('below')
  assert.equal(new MeshError('dial-failed', 'above', { cause }).cause, cause)
})

test('the reason of anything that was thrown is text', () => {
  assert.equal(reasonOf(new Error('broken')), 'broken')
  assert.equal(reasonOf('text'), 'text')
  assert.equal(reasonOf(undefined), 'undefined')
})

test('what must not be reached throws', () => {
  assert.throws(() => unreachable('x' as never), /unreachable: "x"/)
})

test('what the other end did has no stack, what happened here has one, and the limit stays as it was', () => {
  const { stackTraceLimit } = Error
  assert.doesNotMatch(new MeshError('bad-frame', 'theirs').stack ?? '', /\n\s+at /)
  assert.match(new MeshError('bad-option', 'ours').stack ?? '', /\n\s+at /)
  assert.equal(Error.stackTraceLimit, stackTraceLimit)
})

test('errors are made where the limit of stacks cannot be changed, too', () => {
  const limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')!
  Object.defineProperty(Error, 'stackTraceLimit', { ...limit, writable: false })
  try {
    assert.equal(new MeshError('bad-frame', 'theirs').message, 'theirs')
  } finally {
    Object.defineProperty(Error, 'stackTraceLimit', limit)
  }
})
