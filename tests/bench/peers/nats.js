// NATS: one nats-server in the middle, each node a client of it, without TLS. The client has no back-pressure of its own, so a
// publisher waits for a round trip to the server once a mebibyte or 2,048 messages.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'nats'

const SUBJECT = 'bench'
const MESSAGES_A_TRIP = 2_048
const BYTES_A_TRIP = 1_048_576

/** Starts the server. Throws when it does not answer within five seconds. */
export async function startBroker() {
  const probe = createServer()
  await once(probe.listen(0, '127.0.0.1'), 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', `${port}`], { stdio: 'ignore' })
  const address = `127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    try {
      await (await client(address)).close()
      return { address, pid: server.pid, stop: () => server.kill() }
    } catch (error) {
      if (tries === 50) throw error
      await sleep(100)
    }
  }
}

function client(servers) {
  return connect({ servers, noEcho: true, reconnect: false })
}

/** @param {import('../peer.ts').PeerSetting} setting */
export async function open({ listens, broker }) {
  let dialled = null
  // A node that only dials is no client before it does.
  const own = listens ? await client(broker) : null
  let messages = 0
  let bytes = 0
  return {
    address: broker,
    links: () => 1,
    dial: async (address) => {
      dialled = await client(address)
    },
    hangUp: () => dialled.close(),
    receive: async (handler) => {
      if (own === null) return
      own.subscribe(SUBJECT, {
        callback: (error, message) => {
          if (error !== null) throw error
          handler(message.data)
        },
      })
      await own.flush()
    },
    publish: (payload) => {
      own.publish(SUBJECT, payload)
      bytes += payload.length
      if (++messages < MESSAGES_A_TRIP && bytes < BYTES_A_TRIP) return undefined
      messages = 0
      bytes = 0
      return own.flush()
    },
    close: async () => {
      await own?.close()
      await dialled?.close()
    },
  }
}
