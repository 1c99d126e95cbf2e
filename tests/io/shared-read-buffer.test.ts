import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { readIntoShared } from '../../lib/io/shared-read-buffer.ts'

/** An accepted and a connected socket, joined. */
async function joined(): Promise<{ accepted: Socket; dialled: Socket; close: () => void }> {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const dialled = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(dialled, 'connect')])
  const close = (): void => {
    for (const socket of [accepted, dialled]) socket.destroy()
    server.close()
  }
  return { accepted, dialled, close }
}

test('this Node lets accepted and connected sockets read into the shared buffer, both at once', async () => {
  const { accepted, dialled, close } = await joined()
  const sent = { accepted: randomBytes(3_000_000), dialled: randomBytes(3_000_000) }
  const got: Record<'accepted' | 'dialled', Buffer[]> = { accepted: [], dialled: [] }
  const buffers = new Set<ArrayBufferLike>()
  for (const [name, socket] of [
    ['accepted', accepted],
    ['dialled', dialled],
  ] as const) {
    const done = readIntoShared(socket, (bytes) => {
      buffers.add(bytes.buffer)
      got[name].push(Buffer.from(bytes))
    })
    assert.equal(done, true)
    socket.resume()
    socket.end(sent[name])
  }
  await Promise.all([once(accepted, 'end'), once(dialled, 'end')])
  assert.ok(Buffer.concat(got.accepted).equals(sent.dialled))
  assert.ok(Buffer.concat(got.dialled).equals(sent.accepted))
  assert.equal(buffers.size, 1)
  close()
})

test('a paused socket reads nothing until it is resumed', async () => {
  const { accepted, dialled, close } = await joined()
  let length = 0
  readIntoShared(accepted, (bytes) => {
    length += bytes.length
    if (length === 5) accepted.pause()
  })
  accepted.resume()
  dialled.write('first')
  while (length < 5) await new Promise((resolve) => setImmediate(resolve))
  await new Promise<void>((resolve) => dialled.write('second', () => resolve()))
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(length, 5)
  accepted.resume()
  while (length < 11) await new Promise((resolve) => setImmediate(resolve))
  close()
})

test('a socket that lacks what is needed stays as it is', () => {
  assert.equal(
    readIntoShared({ _handle: null } as unknown as Socket, () => assert.fail()),
    false,
  )
  assert.equal(
    readIntoShared({ _handle: { useUserBuffer: assert.fail } } as unknown as Socket, () => assert.fail()),
    false,
  )
})
