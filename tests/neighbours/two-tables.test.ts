// Two tables against each other over connections whose every step is delivered in an arbitrary order, each direction of each
// connection in its own: whatever the order, both ends come to hold the same one link.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MeshError } from '../../lib/errors.ts'
import type { DialAttempt } from '../../lib/neighbours/table.ts'
import { NeighbourTable } from '../../lib/neighbours/table.ts'
import { addressOf, FakeLink, FakeTopology, identityOf, newBook, seeded } from './fixture.ts'

/** What one end sends: message 1, message 2, message 3 with `about`, `about`, goodbye, or nothing but the end of the stream. */
type Sent = { kind: 'm1' | 'm2' | 'm3' | 'about' | 'end' } | { kind: 'goodbye'; code: number }

interface End {
  readonly side: Side
  readonly attempt: DialAttempt | null
  readonly inbox: Sent[]
  other: End
  link: FakeLink | null
  /** It will send and take nothing more. */
  over: boolean
}

class Side {
  readonly table: NeighbourTable
  readonly number: number
  readonly events: string[] = []

  constructor(number: number, pair: Pair, chance: () => number) {
    this.number = number
    this.table = new NeighbourTable({
      own: identityOf(number),
      book: newBook(identityOf(number)),
      topology: new FakeTopology(),
      degree: { target: 2, chosenMax: 4, max: 4 },
      backoff: { firstMs: 500, maxMs: 60_000, resetAfterMs: 30_000 },
      fraction: chance,
      actions: {
        dial: (attempt) => pair.connect(this, attempt),
        cancelDial: (attempt) => pair.cancel(this, attempt),
        neighbourUp: () => this.events.push('up'),
        neighbourReplaced: () => this.events.push('replaced'),
        neighbourDown: () => this.events.push('down'),
        dialFailed: () => {},
        shed: () => {},
        askPeers: () => {},
        warning: () => {},
      },
    })
  }
}

class Pair {
  nowMs = 0
  readonly ends: End[] = []
  readonly sides: readonly [Side, Side]

  constructor(seed: number) {
    const chance = seeded(seed)
    this.sides = [new Side(1, this, chance), new Side(2, this, chance)]
    for (const { table } of this.sides) table.start(this.nowMs)
  }

  connect(side: Side, attempt: DialAttempt): void {
    const far = this.sides[0] === side ? this.sides[1] : this.sides[0]
    const dialer = { side, attempt, inbox: [], link: null, over: false } as unknown as End
    const listener: End = { side: far, attempt: null, inbox: [], other: dialer, link: null, over: false }
    dialer.other = listener
    this.ends.push(dialer, listener)
    this.#send(dialer, { kind: 'm1' })
  }

  cancel(side: Side, attempt: DialAttempt): void {
    const end = this.ends.find((candidate) => candidate.side === side && candidate.attempt?.number === attempt.number)!
    this.#finish(end, { kind: 'end' })
  }

  /** Cuts every connection that is there, as when a cable is pulled. */
  cut(): void {
    for (const end of this.ends) {
      if (end.over) continue
      end.over = true
      this.#lost(end, null)
    }
  }

  /** Delivers what is oldest in the inbox of some end, chosen by `pick` (0 <= pick < 1). Returns false when all are empty. */
  deliver(pick: number): boolean {
    const ready = this.ends.filter(({ inbox }) => inbox.length > 0)
    const end = ready[Math.floor(pick * ready.length)]
    if (end === undefined) return false
    const sent = end.inbox.shift()!
    if (!end.over) this.#receive(end, sent)
    return true
  }

  settle(pick: () => number): void {
    for (let steps = 0; this.deliver(pick()); steps++) assert.ok(steps < 10_000, 'they never come to rest')
  }

  advance(ms: number): void {
    this.nowMs += ms
    for (const { table } of this.sides) table.tick(this.nowMs)
  }

  /** Names of the connections that stand at both ends, by the place of their dialer. */
  standing(side: Side): number[] {
    const links = [...side.table.links()]
    return links.map((link) => Math.floor(this.ends.findIndex((end) => end.link === link) / 2))
  }

  #receive(end: End, sent: Sent): void {
    const { side, attempt } = end
    const peer = identityOf(end.other.side.number)
    switch (sent.kind) {
      case 'm1':
        this.#send(end, { kind: 'm2' })
        return
      case 'm2': {
        side.table.handshaking(attempt!, this.nowMs)
        const verdict = side.table.mayProceed(peer, attempt!, this.nowMs)
        if (verdict.ok) {
          this.#send(end, { kind: 'm3' })
        } else {
          this.#finish(end, { kind: 'end' })
          side.table.dialFailed(attempt!, new MeshError(verdict.reason, verdict.text), this.nowMs, null)
        }
        return
      }
      case 'm3': {
        const verdict = side.table.mayAdmit(peer, '192.0.2.9', this.nowMs)
        if (!verdict.ok) {
          this.#finish(end, { kind: 'goodbye', code: verdict.code })
          return
        }
        this.#send(end, { kind: 'about' })
        this.#open(end, 'in')
        return
      }
      case 'about':
        this.#open(end, 'out')
        return
      case 'goodbye':
      case 'end':
        end.over = true
        this.#lost(end, sent.kind === 'goodbye' ? sent.code : null)
        return
    }
  }

  #open(end: End, direction: 'in' | 'out'): void {
    const link = new FakeLink(identityOf(end.other.side.number), direction)
    end.link = link
    link.onClose = (code) => this.#finish(end, { kind: 'goodbye', code })
    end.side.table.opened(link, end.attempt, this.nowMs)
  }

  #lost(end: End, code: number | null): void {
    const error = new MeshError(code === null ? 'connection-lost' : 'peer-said-goodbye', 'the connection is over')
    if (end.link !== null) end.side.table.closed(end.link, error, this.nowMs, code)
    else if (end.attempt !== null) end.side.table.dialFailed(end.attempt, error, this.nowMs, code)
  }

  #finish(end: End, last: Sent): void {
    if (end.over) return
    end.over = true
    this.#send(end, last)
  }

  #send(end: End, sent: Sent): void {
    end.other.inbox.push(sent)
  }
}

/** Lets time pass until both are linked and at rest; fails when that takes more than ten minutes. */
function agree(pair: Pair, pick: () => number): void {
  for (let rounds = 0; rounds < 600; rounds++) {
    pair.settle(pick)
    const [a, b] = pair.sides.map((side) => pair.standing(side))
    if (a!.length === 1 && b!.length === 1) {
      assert.deepEqual(a, b, 'they hold different connections')
      return
    }
    assert.deepEqual(a, b, 'one end holds a link that the other does not')
    pair.advance(1_000)
  }
  assert.fail('they never linked')
}

const picks = fc.array(fc.nat({ max: 999 }), { maxLength: 60 })

for (const [dialling, ports] of [
  ['both dial each other', [[1], [2]]],
  ['one dials the other at two addresses', [[1, 3], []]],
  [
    'both dial each other at two addresses',
    [
      [1, 3],
      [2, 4],
    ],
  ],
] as const) {
  test(`when ${dialling}, every order of events leaves the same one link at both ends`, () => {
    fc.assert(
      fc.property(fc.nat(), picks, fc.boolean(), (seed, order, known) => {
        const pair = new Pair(seed)
        for (const [i, side] of pair.sides.entries()) {
          const peer = known ? `peer-${2 - i}` : null
          for (const port of ports[i]!) side.table.want(addressOf(port, peer), 'seed', pair.nowMs)
        }
        const rest = seeded(seed)
        let at = 0
        agree(pair, () => (at < order.length ? order[at++]! / 1_000 : rest()))
        // And it stays: nobody dials again while the link stands.
        const connections = pair.ends.length
        pair.advance(3_600_000)
        pair.settle(rest)
        pair.advance(3_600_000)
        pair.settle(rest)
        assert.deepEqual(pair.standing(pair.sides[0]), pair.standing(pair.sides[1]))
        assert.ok(pair.ends.length - connections <= 4, 'they go on dialling')
      }),
      { seed: 1, numRuns: 400 },
    )
  })
}

test('when both dial at once and both connections open, the one dialled by the smaller key stays and nobody goes down', () => {
  for (const pick of [0, 0.3, 0.6, 0.99]) {
    const pair = new Pair(1)
    for (const [i, side] of pair.sides.entries()) side.table.want(addressOf(i), 'seed', 0)
    // Both messages 1, then both messages 2: now both messages 3 are on their way.
    const order = [0.99, 0, 0, 0.99]
    for (const next of order) pair.deliver(next)
    pair.settle(() => pick)
    assert.deepEqual(
      pair.sides.map((side) => pair.standing(side)),
      [[0], [0]],
    )
    for (const { events } of pair.sides) assert.ok(!events.includes('down'), events.join())
  }
})

test('after a cut the two find each other again', () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.nat({ max: 30 }), { maxLength: 4 }), (seed, cutsAfter) => {
      const pair = new Pair(seed)
      const pick = seeded(seed)
      for (const [i, side] of pair.sides.entries()) side.table.want(addressOf(i), 'seed', 0)
      for (const steps of cutsAfter) {
        for (let i = 0; i < steps; i++) pair.deliver(pick())
        pair.cut()
        pair.advance(5_000)
      }
      agree(pair, pick)
    }),
    { seed: 2, numRuns: 300 },
  )
})
