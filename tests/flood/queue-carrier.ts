// A link that is nothing but its queue.

import type { BundleCarrier } from '../../lib/flood/bundle-queue.ts'
import type { SendQueue } from '../../lib/link/send-queue.ts'

export function carrierOf(queue: SendQueue): BundleCarrier {
  return {
    get bundleBytes() {
      return queue.bundleBytes
    },
    carriedBytes: 0,
    get isStalled() {
      return queue.isStalled
    },
    send: (into, frame) => queue.push(into, frame),
    offer: (frame) => queue.offer(frame),
    wouldTake: (bodyLength) => queue.wouldTake(bodyLength),
    withdraw: (frame) => queue.withdraw(frame),
    flush: () => {},
  }
}
