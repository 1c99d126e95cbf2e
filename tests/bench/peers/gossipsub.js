// js-libp2p with TCP, Noise, Yamux and gossipsub, as its own pages join them. Its bounds are opened as far as they go, so that
// it is the code that is measured and not a limit: every neighbour is in the topic's mesh, nobody is scored, nothing is refused
// for its rate. publish() resolves when a message is signed and queued; there is no other back-pressure.

import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'

const TOPIC = 'bench'

// js-libp2p 3 uses what Node 20 has not.
Promise.withResolvers ??= function withResolvers() {
  const parts = {}
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}
const { createLibp2p } = await import('libp2p')
const { gossipsub } = await import('@libp2p/gossipsub')

const UNBOUNDED = Number.POSITIVE_INFINITY
const PUBSUB = {
  allowPublishToZeroTopicPeers: true,
  emitSelf: false,
  fallbackToFloodsub: false,
  floodPublish: true,
  D: 8,
  Dlo: 6,
  Dhi: 64,
  Dscore: 4,
  Dout: 2,
  idontwantMaxMessages: 1_000_000,
  maxInboundDataLength: 67_108_864,
  maxOutboundBufferSize: UNBOUNDED,
  decodeRpcLimits: {
    maxSubscriptions: UNBOUNDED,
    maxMessages: UNBOUNDED,
    maxControlMessages: UNBOUNDED,
    maxIhaveMessageIDs: UNBOUNDED,
    maxIwantMessageIDs: UNBOUNDED,
    maxIdontwantMessageIDs: UNBOUNDED,
    maxPeerInfos: 16,
  },
  scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0, appSpecificWeight: 0 },
  scoreThresholds: { gossipThreshold: -1e9, publishThreshold: -1e9, graylistThreshold: -1e9 },
}

/** @param {import('../peer.ts').PeerSetting} setting */
export function open({ listens }) {
  return openGossipsub(listens, 'StrictSign')
}

/** @param {boolean} listens @param {'StrictSign' | 'StrictNoSign'} globalSignaturePolicy */
export async function openGossipsub(listens, globalSignaturePolicy) {
  const node = await createLibp2p({
    addresses: { listen: listens ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      maxConnections: 10_000,
      maxIncomingPendingConnections: 10_000,
      inboundConnectionThreshold: 1_000_000,
    },
    connectionMonitor: { enabled: false },
    services: { identify: identify(), pubsub: gossipsub({ ...PUBSUB, globalSignaturePolicy }) },
  })
  const { pubsub } = node.services
  let dialled = null
  return {
    address: node.getMultiaddrs()[0]?.toString() ?? '',
    links: () => pubsub.getMeshPeers(TOPIC).length,
    dial: async (address) => {
      dialled = await node.dial(multiaddr(address), { force: true })
    },
    hangUp: () => dialled.close(),
    receive: (handler) => {
      pubsub.addEventListener('message', ({ detail }) => handler(detail.data))
      pubsub.subscribe(TOPIC)
    },
    publish: (payload) => pubsub.publish(TOPIC, payload),
    close: () => node.stop(),
  }
}
