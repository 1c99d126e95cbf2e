// One end of a link without a node behind it: it shakes hands as a node does, stays, answers pings, reads everything and thinks
// nothing of it. A crowd of these costs the machine that it runs on little, so that what is measured is the node they dial.

import { primitives } from '../../lib/crypto/choose.ts'
import type { MeshError } from '../../lib/errors.ts'
import { parseAddress } from '../../lib/identity/address.ts'
import { Identities } from '../../lib/identity/identities.ts'
import { keyPairFromSeed } from '../../lib/identity/key-pair.ts'
import { networkOf } from '../../lib/identity/network.ts'
import { nodeWorld } from '../../lib/io/node.ts'
import { encodeAbout } from '../../lib/link/about.ts'
import { Dialer } from '../../lib/link/dialer.ts'
import { Farewells } from '../../lib/link/farewells.ts'
import { Link, type LinkContext } from '../../lib/link/link.ts'
import type { OpeningContext } from '../../lib/link/opening.ts'

const identities = new Identities()
const { clock, random, tcp, names } = nodeWorld()
const farewells = new Farewells(clock)
const linkContext: LinkContext = {
  clock,
  farewells,
  fraction: () => random.fraction(),
  heartbeat: { intervalMs: 30_000, missedMax: 3 },
  budget: { bytes: 0, bytesMax: 1_048_576 },
  brake: { isOn: false, whenOff: () => {} },
  counters: { bytesIn: 0, bytesOut: 0, framesIn: 0, framesOut: 0, unknownFrames: 0 },
}

/** An identity of its own, made before it dials. */
export class BareNode {
  readonly #context: OpeningContext
  #link: Link | null = null

  constructor(networkName: string) {
    const about = encodeAbout({ agent: 'bare', name: '', record: null, observed: null, keep: true })
    this.#context = {
      clock,
      farewells,
      random,
      primitives,
      identities,
      keyPair: keyPairFromSeed(random.bytes(32), identities, primitives),
      network: networkOf(networkName, null, primitives),
      features: [],
      about: () => about,
      checkRecord: () => {},
    }
  }

  /** One try. Resolves when the link is open. */
  connect(address: string): Promise<void> {
    const dialer = new Dialer({ context: this.#context, tcp, names, timeoutMs: 5_000 })
    return new Promise((resolve, reject) => {
      void dialer.dial(parseAddress(address), true, new AbortController().signal, {
        handshaking: () => {},
        admit: () => ({ ok: true }),
        peersTold: () => {},
        opened: (parts, at) => {
          this.#link = new Link(parts, 'out', at, linkContext, {
            frame: () => true,
            peersAsked: () => Uint8Array.of(0x80),
            peersTold: () => {},
            progressed: () => {},
            closed: () => {},
          })
          this.#link.start()
          resolve()
        },
        failed: (error: MeshError) => reject(error),
      })
    })
  }

  get isOpen(): boolean {
    return this.#link?.isOpen ?? false
  }

  close(): void {
    this.#link?.close(0, '')
  }
}
