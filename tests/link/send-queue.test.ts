import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, EMPTY } from '../../lib/bytes.ts'
import { encodeFrame, FrameReader } from '../../lib/framing/frames.ts'
import { LINK_QUEUE_BYTES_MAX, LINK_QUEUE_FRAMES_MAX } from '../../lib/limits.ts'
import {
  type OutgoingFrame,
  plainFrame,
  type QueueBudget,
  type SendClass,
  SendQueue,
} from '../../lib/link/send-queue.ts'
import { seeded } from '../crypto/seeded.ts'

/** What a frame costs beside its body. */
const OVERHEAD_BYTES = 16
const CLASSES: readonly SendClass[] = ['control', 'direct', 'bundle', 'repair', 'stream']

function budgetOf(bytesMax = 64 * 1_048_576): QueueBudget {
  return { bytes: 0, bytesMax }
}

class LoggedFrame implements OutgoingFrame {
  readonly type: number
  readonly body: Uint8Array
  place: OutgoingFrame['place'] = null
  readonly prefix: Uint8Array
  begun = 0
  dropCount = 0
  readonly onBegin: (frame: LoggedFrame) => void

  constructor(type: number, body: Uint8Array, prefix = EMPTY, onBegin: (frame: LoggedFrame) => void = () => {}) {
    this.type = type
    this.body = body
    this.prefix = prefix
    this.onBegin = onBegin
  }

  begin(): Uint8Array {
    this.begun++
    this.onBegin(this)
    return this.prefix
  }

  dropped(): void {
    this.dropCount++
  }

  get wire(): Uint8Array {
    return encodeFrame(this.type, concatBytes(this.prefix, this.body))
  }
}

function drain(queue: SendQueue, recordBytes: number): Uint8Array[] {
  const records: Uint8Array[] = []
  for (;;) {
    const record = new Uint8Array(recordBytes)
    const end = queue.fill(record, 0, recordBytes, 0)
    if (end === 0) return records
    records.push(record.subarray(0, end))
  }
}

function framesOf(records: readonly Uint8Array[]): { type: number; body: Uint8Array }[] {
  const reader = new FrameReader()
  const frames: { type: number; body: Uint8Array }[] = []
  for (const record of records) {
    reader.push(record)
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      frames.push({ type: frame.type, body: new Uint8Array(frame.body) })
    }
  }
  assert.equal(reader.bufferedBytes, 0)
  return frames
}

test('an empty queue fills nothing', () => {
  const queue = new SendQueue(budgetOf())
  assert.equal(queue.fill(new Uint8Array(10), 3, 10, 0), 3)
  assert.equal(queue.isEmpty, true)
})

test('whatever the size of the records, the other end gets the frames back', () => {
  const random = seeded(7)
  for (let recordBytes = 1; recordBytes <= 70; recordBytes++) {
    const queue = new SendQueue(budgetOf())
    const frames = Array.from({ length: 8 }, () => {
      return new LoggedFrame(0x10, random.bytes(random.below(90)), random.bytes(random.below(4)))
    })
    for (const frame of frames) assert.equal(queue.offer(frame), true)
    const records = drain(queue, recordBytes)
    assert.deepEqual(
      framesOf(records).map(({ body }) => body),
      frames.map(({ prefix, body }) => concatBytes(prefix, body)),
    )
    assert.equal(queue.isEmpty, true)
    assert.equal(queue.begun, 8)
  }
})

test('a frame that fits a record of its own but not the rest of this one waits for the next', () => {
  const queue = new SendQueue(budgetOf())
  queue.push('bundle', plainFrame(0x10, new Uint8Array(50)))
  queue.push('bundle', plainFrame(0x10, new Uint8Array(60)))
  queue.push('bundle', plainFrame(0x10, new Uint8Array(200)))
  const lengths = drain(queue, 100).map((record) => record.length)
  // 52 bytes alone; 62 alone, since 203 do not fit any record and so may be split: 62 + 38, 100, 65.
  assert.deepEqual(lengths, [52, 100, 100, 65])
})

test('frames share a record as long as they fit', () => {
  const queue = new SendQueue(budgetOf())
  for (let i = 0; i < 10; i++) queue.push('bundle', plainFrame(0x10, new Uint8Array(8)))
  assert.deepEqual(
    drain(queue, 1_000).map((record) => record.length),
    [100],
  )
})

test('control frames leave before all others, but not inside a frame that has begun', () => {
  const queue = new SendQueue(budgetOf())
  queue.push('bundle', plainFrame(0x10, new Uint8Array(300)))
  queue.push('bundle', plainFrame(0x11, new Uint8Array(10)))
  const first = new Uint8Array(100)
  assert.equal(queue.fill(first, 0, 100, 0), 100)
  queue.push('control', plainFrame(0x00, new Uint8Array(8)))
  queue.push('direct', plainFrame(0x20, new Uint8Array(8)))
  const types = framesOf([first, ...drain(queue, 100)]).map(({ type }) => type)
  assert.deepEqual(types, [0x10, 0x00, 0x11, 0x20])
})

test('classes that all have much to send share the link four to eight to two to two', () => {
  const queue = new SendQueue(budgetOf())
  const sent = new Map<number, number>()
  const onBegin = ({ type, body }: LoggedFrame): void => {
    sent.set(type, (sent.get(type) ?? 0) + body.length + OVERHEAD_BYTES)
  }
  const types = { direct: 0x20, bundle: 0x10, repair: 0x14, stream: 0x31 } as const
  for (const [into, type] of Object.entries(types) as [SendClass, number][]) {
    for (let i = 0; i < 1_000; i++) queue.push(into, new LoggedFrame(type, new Uint8Array(1_008), EMPTY, onBegin))
  }
  const record = new Uint8Array(65_519)
  for (let i = 0; i < 16; i++) queue.fill(record, 0, record.length, 0)
  const unit = sent.get(types.stream)!
  assert.ok(Math.abs(sent.get(types.direct)! / unit - 2) < 0.15)
  assert.ok(Math.abs(sent.get(types.bundle)! / unit - 4) < 0.3)
  assert.ok(Math.abs(sent.get(types.repair)! / unit - 1) < 0.1)
})

test('a frame larger than its class may send in a turn leaves all the same', () => {
  const queue = new SendQueue(budgetOf())
  queue.push('stream', plainFrame(0x31, new Uint8Array(1_000_000)))
  queue.push('direct', plainFrame(0x20, new Uint8Array(5)))
  const types = framesOf(drain(queue, 65_519)).map(({ type }) => type)
  assert.deepEqual(types, [0x20, 0x31])
})

/** Deficit round robin as it stands in the paper: visit after visit, a whole visit at a time. */
function slowOrder(queues: Readonly<Record<SendClass, LoggedFrame[]>>): LoggedFrame[] {
  const quantum = { direct: 16_384, bundle: 32_768, repair: 8_192, stream: 8_192 }
  const names = ['direct', 'bundle', 'repair', 'stream'] as const
  const deficit = { direct: 0, bundle: 0, repair: 0, stream: 0 }
  const order = [...queues.control]
  while (names.some((name) => queues[name].length > 0)) {
    for (const name of names) {
      if (queues[name].length === 0) {
        deficit[name] = 0
        continue
      }
      deficit[name] += quantum[name]
      while (queues[name].length > 0 && queues[name][0]!.body.length + OVERHEAD_BYTES <= deficit[name]) {
        const frame = queues[name].shift()!
        deficit[name] -= frame.body.length + OVERHEAD_BYTES
        order.push(frame)
      }
    }
  }
  return order
}

test('the order is that of a slow and obvious deficit round robin', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed)
    const queue = new SendQueue(budgetOf())
    const order: LoggedFrame[] = []
    const queues = { control: [], direct: [], bundle: [], repair: [], stream: [] } as Record<SendClass, LoggedFrame[]>
    for (let i = 0; i < 120; i++) {
      const into = CLASSES[random.below(5)]!
      const length = random.below(3) === 0 ? random.below(60_000) : random.below(500)
      const frame = new LoggedFrame(0x10, new Uint8Array(length), EMPTY, (begun) => order.push(begun))
      queue.push(into, frame)
      queues[into].push(frame)
    }
    // Some are withdrawn before anything is sent: they take no share of their class's turn.
    for (const into of CLASSES) {
      queues[into] = queues[into].filter((frame) => random.below(4) > 0 || !queue.withdraw(frame))
    }
    drain(queue, 65_519)
    assert.deepEqual(
      order.map(({ body }) => body.length),
      slowOrder(queues).map(({ body }) => body.length),
      `seed ${seed}`,
    )
  }
})

test('beside a slow model: counts are exact, order holds within a class, nothing is lost or sent twice', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed)
    const budget = budgetOf()
    const queue = new SendQueue(budget)
    const waiting: { into: SendClass; frame: LoggedFrame }[] = []
    const all: LoggedFrame[] = []
    const sent: LoggedFrame[] = []
    const records: Uint8Array[] = []
    const begun = (frame: LoggedFrame): void => {
      const at = waiting.findIndex((entry) => entry.frame === frame)
      const { into } = waiting[at]!
      assert.equal(
        waiting.findIndex((entry) => entry.into === into),
        at,
        'not the oldest of its class',
      )
      waiting.splice(at, 1)
      sent.push(frame)
    }
    for (let step = 0; step < 300; step++) {
      const action = random.below(10)
      if (action < 5) {
        const frame = new LoggedFrame(0x10, random.bytes(random.below(400)), random.bytes(random.below(3)), begun)
        const into = CLASSES[random.below(5)]!
        queue.push(into, frame)
        waiting.push({ into, frame })
        all.push(frame)
      } else if (action < 7 && all.length > 0) {
        const frame = all[random.below(all.length)]!
        const at = waiting.findIndex((entry) => entry.frame === frame)
        assert.equal(queue.withdraw(frame), at >= 0)
        if (at >= 0) waiting.splice(at, 1)
      } else if (action === 7 && random.below(20) === 0) {
        const taken = queue.takeAll()
        assert.equal(taken.length, waiting.length)
        for (const { into, frame } of taken) queue.push(into, frame)
        waiting.length = 0
        for (const { into, frame } of taken) waiting.push({ into, frame: frame as LoggedFrame })
      } else {
        const record = new Uint8Array(1 + random.below(600))
        records.push(record.subarray(0, queue.fill(record, 0, record.length, 0)))
      }
      const bytes = waiting.reduce((sum, { frame }) => sum + frame.body.length + OVERHEAD_BYTES, 0)
      const bundles = waiting.filter(({ into }) => into === 'bundle')
      assert.equal(queue.bytes, bytes)
      assert.equal(budget.bytes, bytes)
      assert.equal(
        queue.bundleBytes,
        bundles.reduce((sum, { frame }) => sum + frame.body.length + OVERHEAD_BYTES, 0),
      )
    }
    records.push(...drain(queue, 65_519))
    assert.deepEqual(
      framesOf(records).map(({ body }) => body),
      sent.map(({ prefix, body }) => concatBytes(prefix, body)),
    )
    assert.ok(all.every((frame) => frame.begun <= 1 && frame.dropCount === 0))
    assert.equal(queue.isEmpty, true)
    assert.equal(budget.bytes, 0)
  }
})

test('bundles are taken up to the bytes of the queue and not one further', () => {
  const queue = new SendQueue(budgetOf())
  const rest = LINK_QUEUE_BYTES_MAX - 1_000_000 - OVERHEAD_BYTES
  assert.equal(queue.offer(plainFrame(0x10, new Uint8Array(1_000_000))), true)
  assert.equal(queue.wouldTake(rest + 1), false)
  assert.equal(queue.wouldTake(rest), true)
  assert.equal(queue.offer(plainFrame(0x10, new Uint8Array(rest))), true)
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), false)
})

test('bundles are taken up to the frames of the queue and not one further', () => {
  const queue = new SendQueue(budgetOf())
  for (let i = 0; i < LINK_QUEUE_FRAMES_MAX; i++) assert.equal(queue.offer(plainFrame(0x10, EMPTY)), true)
  assert.equal(queue.wouldTake(0), false)
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), false)
})

test('no queue holds more bundles than are left for all, but an empty one always takes one', () => {
  const budget = budgetOf(1_000)
  const [queue, other] = [new SendQueue(budget), new SendQueue(budget)]
  assert.equal(queue.offer(plainFrame(0x10, new Uint8Array(400))), true)
  assert.equal(queue.wouldTake(168), true)
  assert.equal(queue.wouldTake(169), false)
  assert.equal(other.offer(plainFrame(0x10, new Uint8Array(200))), true)
  assert.equal(other.wouldTake(152), true)
  assert.equal(other.wouldTake(153), false)
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), false)
  const third = new SendQueue(budget)
  assert.equal(third.offer(plainFrame(0x10, new Uint8Array(900))), true)
  assert.equal(third.offer(plainFrame(0x10, EMPTY)), false)
})

test('however many neighbours read nothing, one that reads has half a megabyte waiting and no gap', () => {
  const budget = budgetOf()
  const stuck = Array.from({ length: 62 }, () => new SendQueue(budget))
  const reading = new SendQueue(budget)
  const record = new Uint8Array(65_519)
  for (let round = 0; round < 400; round++) {
    // Eight bundles in one turn of the event loop, and then the link's turn to send.
    for (let i = 0; i < 8; i++) {
      for (const queue of stuck) queue.offer(plainFrame(0x10, new Uint8Array(62_000)))
      assert.equal(reading.offer(plainFrame(0x10, new Uint8Array(62_000))), true)
    }
    while (reading.fill(record, 0, record.length, 0) > 0);
  }
  assert.ok(budget.bytes <= budget.bytesMax)
  assert.ok(stuck.every((queue) => queue.isStalled))
})

test('once it was full, a queue takes no bundle until it is empty: one stall makes one gap', () => {
  const queue = new SendQueue(budgetOf())
  const half = LINK_QUEUE_BYTES_MAX / 2
  queue.offer(plainFrame(0x10, new Uint8Array(half)))
  assert.equal(queue.offer(plainFrame(0x10, new Uint8Array(half))), false)
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), false)
  assert.equal(queue.wouldTake(0), false)
  drain(queue, 65_519)
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), true)
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), true)
})

test('what must not be dropped is taken also by a full queue', () => {
  const queue = new SendQueue(budgetOf())
  while (queue.offer(plainFrame(0x10, new Uint8Array(1_000_000))));
  queue.push('control', plainFrame(0x00, new Uint8Array(8)))
  assert.equal(framesOf(drain(queue, 65_519))[0]!.type, 0x00)
})

test('a frame is withdrawn as long as it has not begun, and hears nothing of it', () => {
  const queue = new SendQueue(budgetOf())
  const [first, second] = [new LoggedFrame(0x10, new Uint8Array(50)), new LoggedFrame(0x10, new Uint8Array(50))]
  queue.offer(first)
  queue.offer(second)
  queue.fill(new Uint8Array(10), 0, 10, 0)
  assert.equal(queue.withdraw(first), false)
  assert.equal(queue.withdraw(second), true)
  assert.equal(queue.withdraw(second), false)
  drain(queue, 100)
  assert.deepEqual([first.begun, second.begun, second.dropCount], [1, 0, 0])
})

test('a frame that was chosen for the next record can still be withdrawn', () => {
  const queue = new SendQueue(budgetOf())
  const [first, second] = [new LoggedFrame(0x10, new Uint8Array(50)), new LoggedFrame(0x10, new Uint8Array(80))]
  queue.offer(first)
  queue.offer(second)
  queue.fill(new Uint8Array(100), 0, 100, 0)
  assert.equal(queue.withdraw(second), true)
  assert.equal(queue.isEmpty, true)
  assert.equal(queue.fill(new Uint8Array(100), 0, 100, 0), 0)
  assert.equal(second.begun, 0)
})

test('a withdrawn frame does not stay in memory where it waited', () => {
  const queue = new SendQueue(budgetOf())
  queue.offer(plainFrame(0x10, new Uint8Array(10)))
  const frame = new LoggedFrame(0x10, new Uint8Array(10))
  queue.offer(frame)
  const place = frame.place
  queue.withdraw(frame)
  assert.equal(place?.frame, null)
})

test('queueing and withdrawing by turns makes no queue', () => {
  const queue = new SendQueue(budgetOf())
  for (let i = 0; i < 2 * LINK_QUEUE_FRAMES_MAX; i++) {
    const frame = plainFrame(0x10, EMPTY)
    assert.equal(queue.offer(frame), true)
    queue.withdraw(frame)
  }
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), true)
  assert.equal(queue.offer(plainFrame(0x10, EMPTY)), true)
})

test('takeAll gives all that has not begun, most urgent class first, ready to be queued elsewhere', () => {
  const budget = budgetOf()
  const [queue, other] = [new SendQueue(budget), new SendQueue(budget)]
  const begun = new LoggedFrame(0x10, new Uint8Array(50))
  queue.push('bundle', begun)
  queue.fill(new Uint8Array(10), 0, 10, 0)
  const stream = new LoggedFrame(0x31, EMPTY)
  const bundle = new LoggedFrame(0x10, EMPTY)
  const control = new LoggedFrame(0x00, new Uint8Array(8))
  queue.push('stream', stream)
  queue.push('bundle', bundle)
  queue.push('control', control)
  const taken = queue.takeAll()
  assert.deepEqual(
    taken.map(({ into }) => into),
    ['control', 'bundle', 'stream'],
  )
  assert.equal(queue.bytes, 0)
  assert.equal(queue.isEmpty, false)
  for (const { into, frame } of taken) other.push(into, frame)
  assert.equal(budget.bytes, 3 * OVERHEAD_BYTES + 8)
  assert.equal(other.withdraw(bundle), true)
  assert.equal(framesOf(drain(other, 100)).length, 2)
  // The frame that had begun ends where it began.
  assert.equal(drain(queue, 100).length, 1)
})

test('only the frame that is under way can be filled to its end', () => {
  const queue = new SendQueue(budgetOf())
  queue.push('bundle', plainFrame(0x10, new Uint8Array(50)))
  queue.push('bundle', plainFrame(0x10, new Uint8Array(50)))
  const record = new Uint8Array(100)
  assert.equal(queue.fillCurrent(record, 0, 100), 0)
  queue.fill(record, 0, 10, 0)
  assert.equal(queue.fillCurrent(record, 3, 100), 3 + 42)
  assert.equal(queue.fillCurrent(record, 0, 100), 0)
  assert.equal(queue.fill(record, 0, 100, 0), 52)
})

test('clear tells every frame that has not begun, once', () => {
  const budget = budgetOf()
  const queue = new SendQueue(budget)
  const frames = CLASSES.map((into) => {
    const frame = new LoggedFrame(0x10, new Uint8Array(5))
    queue.push(into, frame)
    return frame
  })
  queue.clear()
  queue.clear()
  assert.deepEqual(
    frames.map(({ begun, dropCount }) => [begun, dropCount]),
    CLASSES.map(() => [0, 1]),
  )
  assert.equal(budget.bytes, 0)
})

test('taking whole records out of a frame under way gives the same bytes as filling them, without a copy', () => {
  const random = seeded(11)
  for (const size of [0, 1, 99, 100, 101, 199, 200, 201, 1_000]) {
    const frames = [new LoggedFrame(0x10, random.bytes(size), random.bytes(3)), new LoggedFrame(0x10, random.bytes(20))]
    const queue = new SendQueue(budgetOf())
    for (const frame of frames) queue.offer(frame)
    const stream: Uint8Array[] = []
    for (;;) {
      const whole = queue.takeWhole(100)
      if (whole !== null) {
        assert.equal(whole.buffer, frames[0]!.body.buffer)
        assert.equal(whole.length, 100)
        stream.push(whole)
        continue
      }
      const record = new Uint8Array(100)
      const end = queue.fill(record, 0, 100, 0)
      if (end === 0) break
      stream.push(record.subarray(0, end))
    }
    assert.deepEqual(concatBytes(...stream), concatBytes(...frames.map((frame) => frame.wire)), `${size} bytes`)
    assert.equal(queue.isEmpty, true)
  }
})
