// `meshd id`: who this node is and how others reach it, from the key in its data folder and the settings alone. It starts
// nothing and makes nothing: an identity comes into being by running the node.

import { join } from 'node:path'
import { primitives } from '../lib/crypto/choose.ts'
import { type Address, formatAddress, parseAddress } from '../lib/identity/address.ts'
import { loadOrCreateSeed } from '../lib/identity/key-file.ts'
import { ownAddresses } from '../lib/identity/own-addresses.ts'
import { peerIdOf } from '../lib/identity/peer-id.ts'
import type { InterfaceAddress, World } from '../lib/io/world.ts'
import { EXIT, Failure } from './failures.ts'
import { printable } from './printable.ts'
import type { Settings } from './settings.ts'

/** Where `Mesh` keeps its identity inside the data folder. */
const KEY_FILE = 'identity.key'

/**
 * Prints id and addresses, as text or as one JSON object, and resolves with the exit code. Rejects with Failure
 * `no-identity`, or MeshError `key-file` or `data-folder`.
 */
export async function id(
  settings: Settings,
  world: Pick<World, 'files' | 'random' | 'interfaces'>,
  print: (text: string) => void,
): Promise<number> {
  const { dataDir, name, network, json } = settings
  if (dataDir === null) {
    throw new Failure('no-identity', 'with --ephemeral a node has a new id each time; leave it out, or give --data-dir')
  }
  const path = join(dataDir, KEY_FILE)
  const missing = `there is no identity in ${dataDir} yet; run \`meshd\` once to make one`
  if ((await world.files.read(path)) === null) throw new Failure('no-identity', missing)
  const { seed } = await loadOrCreateSeed(world.files, world.random, path)
  const peer = peerIdOf(primitives.ed25519Signer(seed).publicKey)
  const addresses = reachable(settings.listen, peer, world.interfaces())
  if (json) print(`${JSON.stringify({ id: peer, addresses, name, network, dataDir })}\n`)
  else print([peer, ...addresses].map((line) => `${printable(line)}\n`).join(''))
  return EXIT.done
}

/** As the running node names them; none where the port is only chosen at the start. */
function reachable(listen: readonly string[], peer: string, interfaces: readonly InterfaceAddress[]): string[] {
  const given = listen.map((text) => parseAddress(text, { allowPortZero: true })).filter(({ port }) => port !== 0)
  const names = given.filter(({ kind }) => kind.startsWith('dns')).map((address): Address => ({ ...address, peer }))
  return [...names, ...ownAddresses(given, interfaces, peer)].map(formatAddress)
}
