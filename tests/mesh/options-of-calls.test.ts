// What a program says of a single call, where its compiler did not look: a name that nothing here knows is refused and not
// passed over, for what it was meant to change would silently stay as it is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Mesh } from '../../lib/index.ts'
import { VirtualMesh } from '../virtual/mesh.ts'

/** Each call that takes options, and those that it knows. */
const CALLS: readonly (readonly [
  name: string,
  call: (mesh: Mesh, peer: string, options: never) => Promise<unknown>,
  known: string,
])[] = [
  ['publish', (mesh, _peer, options) => mesh.publish('chat', 'x', options), 'retain, timeToLiveS, signal'],
  [
    'confirmed',
    async (mesh, _peer, options) => (await mesh.publish('chat', 'x')).confirmed(1, options),
    'timeout, signal',
  ],
  ['connect', (mesh, _peer, options) => mesh.connect('10.0.0.2:6374', options), 'signal'],
  ['send', (mesh, peer, options) => mesh.send(peer, 'inbox', 'x', options), 'signal'],
  ['request', (mesh, peer, options) => mesh.request(peer, 'time', 'x', options), 'timeoutMs, signal'],
  ['ping', (mesh, peer, options) => mesh.ping(peer, options), 'timeoutMs, signal'],
  ['open', (mesh, peer, options) => mesh.open(peer, 'echo/1', options), 'signal'],
]

for (const [name, call, known] of CALLS) {
  test(`${name} refuses options that it does not know, by name, and what is no signal or no object`, async () => {
    const mesh = new VirtualMesh()
    const [a, b] = [await mesh.started(1), await mesh.started(2)]
    await mesh.join(a, b)
    const refused = async (options: unknown, message: RegExp): Promise<void> => {
      await assert.rejects(mesh.time.of(call(a.mesh, b.mesh.id, options as never)), { code: 'bad-argument', message })
    }
    await refused({ retained: true }, new RegExp(`unknown option retained of ${name}; known are ${known}$`))
    for (const options of [null, 5, 'signal', []]) await refused(options, new RegExp(`options of ${name} .* object`))
    for (const signal of [5, null, {}]) await refused({ signal }, /signal must be an AbortSignal/)
    await mesh.stop()
  })
}

test('a subscription refuses what is no signal, and nothing of it is left', async () => {
  const mesh = new VirtualMesh()
  const [a, b] = [await mesh.started(1), await mesh.started(2)]
  await mesh.join(a, b)
  const heard: string[] = []
  for (const signal of [5, null, {}]) {
    const options = { signal } as never
    assert.throws(() => a.mesh.subscribe('chat', options), { code: 'bad-argument', message: /AbortSignal/ })
    const withHandler = (): unknown => a.mesh.subscribe('chat', (message) => heard.push(message.text()), options)
    assert.throws(withHandler, { code: 'bad-argument', message: /AbortSignal/ })
  }
  await mesh.time.of(b.mesh.publish('chat', 'x'))
  await mesh.time.run(1_000)
  assert.deepEqual(heard, [])
  await mesh.stop()
})
