import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { apiPlaceOf, connectPathOf, isTooLong, linkedPath, SOCKET_PATH_BYTES_MAX } from '../../../cli/api/place.ts'
import { temporaryFolder } from './fake-api.ts'

test('the socket is in the data folder, or where the user says, or nowhere', () => {
  const place = (api: string | null, dataDir: string | null): unknown => apiPlaceOf({ api, dataDir }, 'linux')
  assert.deepEqual(place(null, '/data'), { path: '/data/api.sock', isChosen: false })
  assert.deepEqual(place('/run/x.sock', '/data'), { path: '/run/x.sock', isChosen: true })
  assert.deepEqual(place('/run/x.sock', null), { path: '/run/x.sock', isChosen: true })
  assert.equal(place(null, null), null)
})

test('on Windows it is a pipe whose name comes from the path, in whatever case that is written', () => {
  const pipe = (dataDir: string): string => apiPlaceOf({ api: null, dataDir }, 'win32')!.path
  assert.match(pipe('C:\\data'), /^\\\\\.\\pipe\\meshd-[0-9a-f]{32}$/)
  assert.equal(pipe('C:\\data'), pipe('c:\\DATA'))
  assert.notEqual(pipe('C:\\data'), pipe('C:\\other'))
})

test('a path that the kernel would refuse is too long, counted in bytes', () => {
  const long = (path: string): boolean => isTooLong({ path, isChosen: false }, 'linux')
  assert.equal(long(`/${'a'.repeat(SOCKET_PATH_BYTES_MAX - 1)}`), false)
  assert.equal(long(`/${'a'.repeat(SOCKET_PATH_BYTES_MAX)}`), true)
  assert.equal(long(`/${'ü'.repeat(SOCKET_PATH_BYTES_MAX / 2)}`), true)
  assert.equal(isTooLong({ path: 'x'.repeat(300), isChosen: false }, 'win32'), false)
})

test('a link leads to the socket only when a node made it', (t) => {
  const folder = temporaryFolder(t)
  const link = join(folder, 'api.sock')
  assert.equal(linkedPath(link), null)
  symlinkSync('/tmp/meshd-abc123/api.sock', link)
  assert.equal(linkedPath(link), '/tmp/meshd-abc123/api.sock')
  symlinkSync('/etc/passwd', join(folder, 'other'))
  assert.equal(linkedPath(join(folder, 'other')), null)
  assert.equal(connectPathOf({ path: link, isChosen: false }, 'linux'), link)
  const long = { path: `/${'a'.repeat(200)}/api.sock`, isChosen: false }
  assert.equal(connectPathOf(long, 'linux'), null)
})
