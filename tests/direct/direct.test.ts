// Direct machines together: what a program sees, and what those on the way see.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY, equalBytes, utf8 } from '../../lib/bytes.ts'
import { readDirect } from '../../lib/direct/envelope.ts'
import type { DirectMessage } from '../../lib/direct/handlers.ts'
import { seeded } from '../crypto/seeded.ts'
import { codeOf, outcomeOf, text, VirtualMesh } from './virtual-mesh.ts'

test('a request is answered through four relays, which see neither topic nor payload', async () => {
  const mesh = new VirtualMesh(6).line()
  const [first, last] = [mesh.node(0), mesh.node(5)]
  last.direct.onRequest('secret-topic', ({ data, from }) => {
    assert.equal(from, first.id)
    return `secret-reply to ${text(data)}`
  })
  const reply = outcomeOf(first.direct.request(last.id, 'secret-topic', utf8('secret-payload')))
  await mesh.pass(1_000)
  assert.equal(text(reply.value), 'secret-reply to secret-payload')
  assert.ok(mesh.crossed.length >= 20)
  for (const { body } of mesh.crossed) {
    assert.doesNotMatch(Buffer.from(body).toString('latin1'), /secret/)
    const { destinationKey, sourceKey } = readDirect(body, 4_096)
    assert.deepEqual([destinationKey, sourceKey].sort(), [first.originKey, last.originKey].sort())
  }
  assert.deepEqual(mesh.rejections, [])
})

test('a message is delivered once and acknowledged', async () => {
  const mesh = new VirtualMesh(3).line()
  const got: DirectMessage[] = []
  mesh.node(2).direct.onMessage('inbox', (message) => void got.push(message))
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(2).id, 'inbox', utf8('hello')))
  await mesh.pass(10_000)
  assert.equal(sent.state, 'done')
  assert.deepEqual(
    got.map(({ from, topic, data, id }) => [from, topic, text(data), id]),
    [[mesh.node(0).id, 'inbox', 'hello', `${mesh.node(0).id}/1000000/0`]],
  )
})

test('once the way is known, a request and its reply cross each link once, with one acknowledgement', async () => {
  const mesh = new VirtualMesh(5)
  for (const [a, b] of [
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
    [0, 2],
    [1, 3],
  ] as const)
    mesh.link(a, b)
  mesh.node(4).direct.onRequest('echo', ({ data }) => data)
  await Promise.all([mesh.node(0).direct.request(mesh.node(4).id, 'echo', EMPTY), mesh.pass(500)])
  mesh.crossed.length = 0
  const reply = outcomeOf(mesh.node(0).direct.request(mesh.node(4).id, 'echo', utf8('again')))
  await mesh.pass(500)
  assert.equal(text(reply.value), 'again')
  assert.equal(mesh.crossed.length, 9, 'three links each for request, reply and acknowledgement')
})

test('a request to a node that has died fails within its time-out, with a reason', async () => {
  for (const silently of [false, true]) {
    const mesh = new VirtualMesh(6).line()
    mesh.node(5).direct.onRequest('time', () => 'now')
    const before = outcomeOf(mesh.node(0).direct.request(mesh.node(5).id, 'time', EMPTY))
    await mesh.pass(1_000)
    assert.equal(before.state, 'done')
    mesh.cut(4, 5, silently)
    const after = outcomeOf(mesh.node(0).direct.request(mesh.node(5).id, 'time', EMPTY))
    await mesh.pass(9_999)
    assert.equal(codeOf(after.error), 'timed-out')
    assert.match(String(after.error), /no answer to 3 tries/)
  }
})

test('a node that dies while it answers leaves a time-out behind, not a wait without end', async () => {
  const mesh = new VirtualMesh(3).line()
  mesh.node(2).direct.onRequest('slow', () => new Promise(() => {}))
  const reply = outcomeOf(mesh.node(0).direct.request(mesh.node(2).id, 'slow', EMPTY, { timeoutMs: 30_000 }))
  await mesh.pass(5_000)
  mesh.cut(1, 2)
  await mesh.pass(24_900)
  assert.equal(reply.state, 'waiting', 'it was acknowledged, so the tries are over')
  await mesh.pass(200)
  assert.equal(codeOf(reply.error), 'timed-out')
})

test('a node without links says unreachable', async () => {
  const mesh = new VirtualMesh(2)
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(1).id, 'inbox', EMPTY))
  await mesh.pass(8_000)
  assert.equal(codeOf(sent.error), 'unreachable')
})

test('a message is sent as soon as a link comes up, if that is soon', async () => {
  const mesh = new VirtualMesh(2)
  mesh.node(1).direct.onMessage('inbox', () => {})
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(1).id, 'inbox', EMPTY))
  await mesh.pass(500)
  mesh.link(0, 1)
  await mesh.pass(1_000)
  assert.equal(sent.state, 'done')
})

test('over lossy links what is confirmed was delivered, and nothing is delivered twice', async () => {
  let confirmed = 0
  for (let seed = 1; seed <= 6; seed++) {
    const mesh = new VirtualMesh(8, seed)
    for (let i = 0; i < 8; i++) for (const step of [1, 3]) mesh.link(i, (i + step) % 8)
    mesh.loss = 0.2
    const got = new Map<string, number>()
    mesh.nodes.forEach((node) => {
      node.direct.onMessage('inbox', ({ data }) => void got.set(text(data), (got.get(text(data)) ?? 0) + 1))
    })
    const sent = Array.from({ length: 40 }, (_, i) => {
      const [from, to] = [i % 8, (i + 1 + mesh.random.below(7)) % 8]
      return { name: `${i}`, outcome: outcomeOf(mesh.node(from).direct.send(mesh.node(to).id, 'inbox', utf8(`${i}`))) }
    })
    await mesh.pass(20_000)
    for (const { name, outcome } of sent) {
      assert.notEqual(outcome.state, 'waiting')
      if (outcome.state === 'done') assert.equal(got.get(name), 1, `seed ${seed}, message ${name}`)
      else assert.equal(codeOf(outcome.error), 'timed-out')
      assert.ok((got.get(name) ?? 0) <= 1, `seed ${seed}, message ${name}`)
    }
    confirmed += sent.filter(({ outcome }) => outcome.state === 'done').length
    assert.deepEqual(mesh.rejections, [])
  }
  assert.ok(confirmed > 220, `${confirmed} of 240`)
})

test('when the known way leads nowhere, the second try goes round', async () => {
  const mesh = new VirtualMesh(6)
  for (let i = 0; i < 6; i++) mesh.link(i, (i + 1) % 6)
  mesh.node(2).direct.onMessage('inbox', () => {})
  await Promise.all([mesh.node(0).direct.send(mesh.node(2).id, 'inbox', EMPTY), mesh.pass(500)])
  mesh.cut(1, 2, true)
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(2).id, 'inbox', EMPTY))
  await mesh.pass(900)
  assert.equal(sent.state, 'waiting')
  await mesh.pass(300)
  assert.equal(sent.state, 'done')
})

test('a payload of 1 MiB goes where nobody knew the way before, and comes back', async () => {
  const mesh = new VirtualMesh(5).line()
  const payload = seeded(7).bytes(1_048_576)
  mesh.node(4).direct.onRequest('echo', ({ data }) => data)
  const reply = outcomeOf(mesh.node(0).direct.request(mesh.node(4).id, 'echo', payload))
  await mesh.pass(1_000)
  assert.ok(reply.value !== undefined && equalBytes(reply.value, payload))
  const large = mesh.crossed.filter(({ body }) => body.length > 100_000)
  assert.equal(large.length, 8, 'once over each of four links, there and back')
})

test('a relay that has lost the way tells the source of a large message, which finds another at once', async () => {
  const mesh = new VirtualMesh(6)
  for (let i = 0; i < 6; i++) mesh.link(i, (i + 1) % 6)
  let bytes = 0
  mesh.node(2).direct.onMessage('inbox', ({ data }) => {
    bytes += data.length
  })
  await Promise.all([mesh.node(0).direct.send(mesh.node(2).id, 'inbox', EMPTY), mesh.pass(500)])
  mesh.cut(1, 2)
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(2).id, 'inbox', new Uint8Array(50_000)))
  await mesh.pass(500)
  assert.equal(sent.state, 'done')
  assert.equal(bytes, 50_000)
  assert.equal(mesh.node(1).direct.counters.relay.unreachable, 1)
})

test('a large message to a node that is not there ends as unreachable when a relay says so', async () => {
  const mesh = new VirtualMesh(4).line()
  mesh.node(3).direct.onMessage('inbox', () => {})
  await Promise.all([mesh.node(0).direct.send(mesh.node(3).id, 'inbox', EMPTY), mesh.pass(500)])
  mesh.cut(2, 3)
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(3).id, 'inbox', new Uint8Array(50_000)))
  await mesh.pass(10_000)
  assert.equal(codeOf(sent.error), 'unreachable')
})

test('a restarted destination is written to again at once: its new epoch is told and used', async () => {
  const mesh = new VirtualMesh(3).line()
  mesh.node(2).direct.onMessage('inbox', () => {})
  await Promise.all([mesh.node(0).direct.send(mesh.node(2).id, 'inbox', EMPTY), mesh.pass(500)])
  const got: string[] = []
  mesh.restart(2, 2_000_000).direct.onMessage('inbox', ({ data }) => void got.push(text(data)))
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(2).id, 'inbox', utf8('after')))
  await mesh.pass(200)
  assert.equal(sent.state, 'done')
  assert.deepEqual(got, ['after'])
})

test('a restarted source is taken for the same node with new numbers', async () => {
  const mesh = new VirtualMesh(3).line()
  const got: string[] = []
  mesh.node(2).direct.onMessage('inbox', ({ id }) => void got.push(id))
  await Promise.all([mesh.node(0).direct.send(mesh.node(2).id, 'inbox', EMPTY), mesh.pass(500)])
  mesh.restart(0, 2_000_000)
  await Promise.all([mesh.node(0).direct.send(mesh.node(2).id, 'inbox', EMPTY), mesh.pass(500)])
  assert.deepEqual(got, [`${mesh.node(0).id}/1000000/0`, `${mesh.node(0).id}/2000000/0`])
})

test('when the epoch moves within a run, what is under way arrives once', async () => {
  const mesh = new VirtualMesh(3).line()
  const got: string[] = []
  mesh.node(2).direct.onMessage('inbox', ({ data }) => void got.push(text(data)))
  await Promise.all([mesh.node(0).direct.send(mesh.node(2).id, 'inbox', utf8('1')), mesh.pass(500)])
  const sent = ['2', '3', '4'].map((name, i) => {
    mesh.node(2).epoch += i
    return outcomeOf(mesh.node(0).direct.send(mesh.node(2).id, 'inbox', utf8(name)))
  })
  await mesh.pass(500)
  assert.deepEqual(
    sent.map(({ state }) => state),
    ['done', 'done', 'done'],
  )
  assert.deepEqual(got, ['1', '2', '3', '4'])
})

test('ping tells how many links the answer crossed and how long both ways took', async () => {
  const mesh = new VirtualMesh(5).line()
  const pinged = outcomeOf(mesh.node(0).direct.ping(mesh.node(4).id))
  await mesh.pass(500)
  assert.deepEqual(pinged.value, { hops: 4, roundTripMs: 80 })
  mesh.cut(3, 4)
  const lost = outcomeOf(mesh.node(0).direct.ping(mesh.node(4).id, { timeoutMs: 2_000 }))
  await mesh.pass(2_000)
  assert.equal(codeOf(lost.error), 'timed-out')
})

test('what nobody takes fails as no-handler, at once', async () => {
  const mesh = new VirtualMesh(3).line()
  const { direct } = mesh.node(0)
  const to = mesh.node(2).id
  mesh.node(2).direct.onMessage('messages', () => {})
  mesh.node(2).direct.onRequest('requests', () => '')
  const outcomes = [outcomeOf(direct.send(to, 'requests', EMPTY)), outcomeOf(direct.request(to, 'messages', EMPTY))]
  await mesh.pass(500)
  assert.deepEqual(
    outcomes.map(({ error }) => codeOf(error)),
    ['no-handler', 'no-handler'],
  )
})

test('what was refused is refused again when the refusal was lost, and never delivered later', async () => {
  const mesh = new VirtualMesh(2).line()
  await Promise.all([mesh.node(0).direct.ping(mesh.node(1).id), mesh.pass(100)])
  const sent = outcomeOf(mesh.node(0).direct.send(mesh.node(1).id, 'inbox', EMPTY))
  await mesh.pass(15)
  mesh.loss = 1
  await mesh.pass(500)
  mesh.loss = 0
  let deliveries = 0
  mesh.node(1).direct.onMessage('inbox', () => {
    deliveries++
  })
  await mesh.pass(2_000)
  assert.equal(sent.state, 'failed')
  assert.equal(codeOf(sent.error), 'no-handler')
  assert.equal(deliveries, 0)
})

test("a handler's error arrives with its text, and nothing else of it", async () => {
  const mesh = new VirtualMesh(2).line()
  const { direct } = mesh.node(1)
  direct.onRequest('throws', () => {
    throw new Error('no such file\u001b[31m')
  })
  direct.onRequest('rejects', () => Promise.reject(new Error('x'.repeat(5_000))))
  direct.onRequest('nonsense', () => 7 as unknown as string)
  direct.onRequest('huge', async () => new Uint8Array(1_048_577))
  const outcomes = ['throws', 'rejects', 'nonsense', 'huge'].map((topic) =>
    outcomeOf(mesh.node(0).direct.request(mesh.node(1).id, topic, EMPTY)),
  )
  await mesh.pass(500)
  const errors = outcomes.map(({ error }) => error as Error)
  assert.deepEqual(errors.map(codeOf), Array(4).fill('request-failed'))
  assert.deepEqual(
    errors.map(({ message }) => message),
    [
      'no such file\u{fffd}[31m',
      'x'.repeat(1_024),
      'the handler returned neither bytes nor text',
      'the reply is larger than 1048576 bytes',
    ],
  )
})

test("a message's handler that throws is a warning here, and the message is acknowledged all the same", async () => {
  const mesh = new VirtualMesh(2).line()
  const { direct, warnings } = mesh.node(1)
  direct.onMessage('throws', () => {
    throw new Error('at once')
  })
  direct.onMessage('rejects', () => Promise.reject(new Error('later')))
  const sent = ['throws', 'rejects'].map((topic) => outcomeOf(mesh.node(0).direct.send(mesh.node(1).id, topic, EMPTY)))
  await mesh.pass(500)
  assert.deepEqual(
    sent.map(({ state }) => state),
    ['done', 'done'],
  )
  assert.deepEqual(warnings, [
    'handler-failed: the handler of direct messages on throws threw: at once',
    'handler-failed: the handler of direct messages on rejects threw: later',
  ])
})

test('a slow handler is waited for without a second try', async () => {
  const mesh = new VirtualMesh(2).line()
  let answer = (_: string): void => {}
  let calls = 0
  mesh.node(1).direct.onRequest('slow', () => {
    calls++
    return new Promise<string>((resolve) => {
      answer = resolve
    })
  })
  const reply = outcomeOf(mesh.node(0).direct.request(mesh.node(1).id, 'slow', EMPTY))
  await mesh.pass(9_000)
  answer('at last')
  await mesh.pass(100)
  assert.equal(text(reply.value), 'at last')
  assert.equal(calls, 1)
  // Question, answer; request, acknowledgement; reply, acknowledgement.
  assert.equal(mesh.crossed.length, 6)
})

test('an aborted call rejects and leaves nothing behind', async () => {
  const mesh = new VirtualMesh(2).line()
  mesh.node(1).direct.onRequest('slow', () => new Promise(() => {}))
  const controller = new AbortController()
  const { signal } = controller
  const reply = outcomeOf(mesh.node(0).direct.request(mesh.node(1).id, 'slow', EMPTY, { signal }))
  await mesh.pass(1_000)
  controller.abort(new Error('enough'))
  await mesh.pass(0)
  assert.equal(codeOf(reply.error), 'aborted')
  const late = outcomeOf(mesh.node(0).direct.send(mesh.node(1).id, 'inbox', EMPTY, { signal }))
  await mesh.pass(0)
  assert.equal(codeOf(late.error), 'aborted')
  const frames = mesh.crossed.length
  await mesh.pass(60_000)
  assert.equal(mesh.crossed.length, frames)
  assert.equal(mesh.node(0).direct.nextDeadlineMs(), Number.POSITIVE_INFINITY)
})

test('a closed machine rejects what waits, tells its handlers, and answers nothing', async () => {
  const mesh = new VirtualMesh(2).line()
  let stopped = false
  mesh.node(1).direct.onRequest('slow', (_, signal) => {
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        stopped = true
        resolve('too late')
      })
    })
  })
  const reply = outcomeOf(mesh.node(0).direct.request(mesh.node(1).id, 'slow', EMPTY))
  await mesh.pass(100)
  mesh.node(1).direct.close()
  mesh.node(1).direct.close()
  mesh.node(0).direct.close()
  await mesh.pass(1_000)
  assert.equal(stopped, true)
  assert.equal(codeOf(reply.error), 'not-running')
  const late = outcomeOf(mesh.node(0).direct.send(mesh.node(1).id, 'inbox', EMPTY))
  await mesh.pass(0)
  assert.equal(codeOf(late.error), 'not-running')
})

test('a call that cannot be is refused with what is wrong', async () => {
  const mesh = new VirtualMesh(2).line()
  const { direct, id } = mesh.node(0)
  const peer = mesh.node(1).id
  const calls: [Promise<unknown>, string][] = [
    [direct.send('12D3KooW', 'inbox', EMPTY), 'bad-peer-id'],
    [direct.send(id, 'inbox', EMPTY), 'bad-argument'],
    [direct.send(peer, '', EMPTY), 'bad-topic'],
    [direct.send(peer, 'a/#', EMPTY), 'bad-topic'],
    [direct.send(peer, '$mesh/x', EMPTY), 'bad-topic'],
    [direct.send(peer, 't'.repeat(256), EMPTY), 'bad-topic'],
    [direct.send(peer, 'inbox', new Uint8Array(1_048_577)), 'too-large'],
    [direct.request(peer, 'inbox', EMPTY, { timeoutMs: 0 }), 'bad-argument'],
    [direct.ping(peer, { timeoutMs: 2 ** 31 }), 'bad-argument'],
  ]
  const outcomes = calls.map(([call, code]) => [outcomeOf(call), code] as const)
  await mesh.pass(0)
  for (const [outcome, code] of outcomes) assert.equal(codeOf(outcome.error), code)
  const takeBack = direct.onMessage('inbox', () => {})
  assert.throws(() => direct.onMessage('inbox', () => {}), { code: 'already-registered' })
  takeBack()
  direct.onMessage('inbox', () => {})
  takeBack()
  assert.throws(() => direct.onMessage('inbox', () => {}), { code: 'already-registered' })
  assert.throws(() => direct.onRequest('a/+', () => ''), { code: 'bad-topic' })
})
