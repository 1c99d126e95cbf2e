import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkFileName, FILE_NAME_BYTES_MAX, numbered } from '../../../cli/files/names.ts'

test('ordinary names are taken', () => {
  for (const name of [
    'a',
    'report.txt',
    'archive.tar.gz',
    'Grüße aus Köln.pdf',
    '写真.jpg',
    'two words',
    '-rf',
    'contract.txt',
    'nulls',
    'com10.txt',
    'a..b',
    'x'.repeat(FILE_NAME_BYTES_MAX),
  ]) {
    checkFileName(name)
  }
})

test('what is a path, a device, hidden or cannot be shown is refused', () => {
  for (const name of [
    '',
    '.',
    '..',
    '.profile',
    '../x',
    'a/b',
    '/etc/passwd',
    'a\\b',
    'C:\\x',
    'file:stream',
    'a\0b',
    'a\nb',
    'a\x1b[31mb',
    'a\u202eb',
    'a\u200bb',
    '\ud800',
    'con',
    'NUL',
    'aux.txt',
    'Com1',
    'lpt9.log.txt',
    'COM¹',
    'conin$',
    'a*',
    'a?',
    'a|b',
    '<a>',
    '"a"',
    'a.',
    'a ',
    ' a',
    'a\t',
    'x'.repeat(FILE_NAME_BYTES_MAX + 1),
    'ü'.repeat(FILE_NAME_BYTES_MAX / 2 + 1),
  ]) {
    assert.throws(() => checkFileName(name), { code: 'bad-name' }, JSON.stringify(name))
  }
})

test('a number stands before the ending', () => {
  assert.equal(numbered('a.txt', 0), 'a.txt')
  assert.equal(numbered('a.txt', 2), 'a (2).txt')
  assert.equal(numbered('a.tar.gz', 1), 'a.tar (1).gz')
  assert.equal(numbered('Makefile', 999), 'Makefile (999)')
  assert.ok(Buffer.byteLength(numbered('x'.repeat(FILE_NAME_BYTES_MAX), 999)) <= 255)
})
