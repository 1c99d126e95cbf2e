// Ways and floods without the rest: which links an envelope leaves on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADER_BYTES, readDirect, setHops, textKey, X_MESSAGE_BYTES } from '../../lib/direct/envelope.ts'
import { Relay } from '../../lib/direct/relay.ts'
import { Routes } from '../../lib/direct/routes.ts'
import type { Identity } from '../../lib/identity/identities.ts'
import { keyPairOf } from '../identity/nodes.ts'

const [a, b, c, far, source] = [1, 2, 3, 4, 5].map((number) => keyPairOf(number).identity) as [
  Identity,
  Identity,
  Identity,
  Identity,
  Identity,
]
const keyOf = (identity: Identity): string => textKey(identity.publicKey)

/** A body that nobody could open: who it is for is all that matters here. */
function bodyFor(
  destination: Identity,
  hops: number = 1,
  flooding: boolean = false,
  sealedLength: number = 20,
): Uint8Array {
  const body = new Uint8Array(HEADER_BYTES + X_MESSAGE_BYTES + 2 + sealedLength)
  body.set(destination.publicKey, 0)
  body.set(source.publicKey, 32)
  setHops(body, hops, flooding)
  body[HEADER_BYTES + X_MESSAGE_BYTES] = sealedLength >>> 8
  body[HEADER_BYTES + X_MESSAGE_BYTES + 1] = sealedLength
  return body
}

interface Setting {
  readonly relay: Relay
  /** `<name>` for one link, `all but <name>` for a flood. */
  readonly left: string[]
  readonly full: Set<string>
  noWays: number
  pass(body: Uint8Array, from: Identity, nowMs?: number): void
}

function setting(): Setting {
  const left: string[] = []
  const full = new Set<string>()
  const names = new Map([a, b, c].map((identity, i) => [identity.key, 'abc'[i]!]))
  const result: Omit<Setting, 'relay' | 'pass'> & { relay?: Relay } = { left, full, noWays: 0 }
  const relay = new Relay(
    {
      send: (key) => {
        if (full.has(key)) return false
        left.push(names.get(key)!)
        return true
      },
      flood: (_, except) => {
        left.push(`all but ${except === null ? 'none' : names.get(except)}`)
        return relay.routes.counts.links - (except === null ? 0 : 1)
      },
    },
    () => {
      result.noWays++
    },
  )
  for (const neighbour of [a, b, c]) relay.routes.linkUp(neighbour)
  const pass = (body: Uint8Array, from: Identity, nowMs: number = 0): void =>
    relay.forward(body, readDirect(body, 4_096), relay.routes.link(from.key)!, nowMs)
  return Object.assign(result, { relay, pass })
}

test('an envelope goes to a neighbour that it is for, by the way that is known, else to all others', () => {
  const { relay, left, pass } = setting()
  pass(bodyFor(b), a)
  pass(bodyFor(b, 1, true), a)
  pass(bodyFor(far), a)
  relay.routes.heard(keyOf(far), c.key, 0)
  pass(bodyFor(far), a)
  pass(bodyFor(far, 1, true), a)
  assert.deepEqual(left, ['b', 'b', 'all but a', 'c', 'all but a'])
})

test('a way that leads back is no way', () => {
  const { relay, left, pass } = setting()
  relay.routes.heard(keyOf(far), a.key, 0)
  pass(bodyFor(far), a)
  assert.deepEqual(left, ['all but a'])
})

test('a way is forgotten with its link, at once, and does not come back with it', () => {
  const { relay, left, pass } = setting()
  relay.routes.heard(keyOf(far), c.key, 0)
  relay.routes.linkDown(c.key)
  pass(bodyFor(far), a)
  relay.routes.linkUp(c)
  pass(bodyFor(far), a)
  relay.routes.heard(keyOf(far), c.key, 500)
  pass(bodyFor(far), a, 500)
  assert.deepEqual(left, ['all but a', 'all but a', 'c'])
})

test('a way that was not heard for ten minutes is none', () => {
  const { relay, left, pass } = setting()
  relay.routes.heard(keyOf(far), c.key, 0)
  pass(bodyFor(far), a, 599_999)
  relay.routes.heard(keyOf(far), c.key, 0)
  pass(bodyFor(far), a, 600_000)
  assert.deepEqual(left, ['c', 'all but a'])
})

test('when too many flood, one that has a way still takes it', () => {
  const { relay, left, pass } = setting()
  for (let i = 0; i < 25; i++) pass(bodyFor(far, 1, true), a)
  assert.deepEqual(left, Array(20).fill('all but a'))
  relay.routes.heard(keyOf(far), c.key, 0)
  pass(bodyFor(far, 1, true), a)
  pass(bodyFor(far, 1, true), b)
  assert.deepEqual(left.slice(20), ['c', 'all but b'], 'each neighbour has a budget of its own')
  assert.equal(relay.counters.dropped, 5)
})

test('a large envelope takes the way or none', () => {
  const { relay, left, pass } = setting()
  const large = bodyFor(far, 1, false, 4_000)
  pass(large, a)
  relay.routes.heard(keyOf(far), c.key, 0)
  pass(large, a)
  assert.deepEqual(left, ['c'])
})

test('a link that takes no more drops what was to go over it', () => {
  const { relay, left, full, pass } = setting()
  relay.routes.heard(keyOf(far), c.key, 0)
  full.add(c.key)
  pass(bodyFor(far), a)
  assert.deepEqual(left, [])
  assert.equal(relay.counters.dropped, 1)
})

test('an own envelope takes the way, a later try does not, and no more than twenty flood in a second', () => {
  const { relay, left, full } = setting()
  relay.routes.heard(keyOf(far), c.key, 0)
  const send = (flooding: boolean): string => relay.dispatch(bodyFor(far), keyOf(far), flooding, 0)
  assert.deepEqual([send(false), send(true)], ['routed', 'flooded'])
  assert.deepEqual(left, ['c', 'all but none'])
  for (let i = 0; i < 19; i++) assert.equal(send(true), 'flooded')
  assert.equal(send(true), 'routed', 'better than nothing')
  full.add(c.key)
  assert.equal(send(true), 'held')
  assert.equal(relay.foresee(keyOf(source), false, 0), 'held')
  assert.equal(relay.foresee(keyOf(source), true, 0), 'no-way')
  assert.equal(relay.foresee(keyOf(source), false, 1_000), 'possible')
  for (const neighbour of [a, b, c]) relay.routes.linkDown(neighbour.key)
  assert.equal(send(true), 'no-way')
})

test('a neighbour whose connection is replaced keeps what is known over it', () => {
  const routes = new Routes()
  routes.linkUp(a)
  routes.heard(keyOf(far), a.key, 0)
  routes.linkUp(a)
  assert.equal(routes.find(keyOf(far), 0)?.key, a.key)
  routes.linkDown(a.key)
  routes.linkDown(a.key)
  assert.deepEqual(routes.counts, { links: 0, routes: 1 })
  assert.equal(routes.find(keyOf(far), 0), null)
  assert.equal(routes.counts.routes, 0)
})

test('what is heard again within a second is not written again; what is heard elsewhere is, a second later', () => {
  const routes = new Routes()
  for (const neighbour of [a, b]) routes.linkUp(neighbour)
  routes.heard(keyOf(far), a.key, 0)
  routes.heard(keyOf(far), b.key, 999)
  assert.equal(routes.find(keyOf(far), 999)?.key, a.key)
  routes.heard(keyOf(far), b.key, 1_000)
  assert.equal(routes.find(keyOf(far), 1_000)?.key, b.key)
  routes.heard(keyOf(far), 'no such link', 2_000)
  assert.equal(routes.find(keyOf(far), 2_000)?.key, b.key)
})

test('ways are bounded in number', () => {
  const routes = new Routes(64)
  routes.linkUp(a)
  for (let i = 0; i < 1_000; i++) routes.heard(`${i}`, a.key, i)
  assert.ok(routes.counts.routes <= 64)
  assert.equal(routes.find('999', 1_000)?.key, a.key)
})
