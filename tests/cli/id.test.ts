import assert from 'node:assert/strict'
import { test } from 'node:test'
import { id } from '../../cli/id.ts'
import { fromHex } from '../../lib/bytes.ts'
import { peerIdOf } from '../../lib/identity/peer-id.ts'
import type { Files, InterfaceAddress, World } from '../../lib/io/world.ts'
import { SETTINGS } from './fake-node.ts'

// RFC 8032 section 7.1, test 1.
const SEED = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
const PEER = peerIdOf(fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'))

function on(name: string, host: string, family: 'ip4' | 'ip6', internal = false): InterfaceAddress {
  return { interfaceName: name, host, family, internal, scope: 0, prefixLength: 24 }
}

function world(content: Record<string, Uint8Array>): Pick<World, 'files' | 'random' | 'interfaces'> {
  const never = (): never => assert.fail('meshd id changes nothing')
  const files: Files = {
    read: async (path) => content[path] ?? null,
    mode: async (path) => (path in content ? 0o600 : null),
    writeAtomic: never,
    makeFolder: never,
    lock: never,
  }
  return {
    files,
    random: { bytes: never, fraction: never },
    interfaces: () => [
      on('lo', '127.0.0.1', 'ip4', true),
      on('lo', '::1', 'ip6', true),
      on('eth0', '192.0.2.7', 'ip4'),
      on('eth0', '2001:db8::7', 'ip6'),
    ],
  }
}

const KEPT = world({ '/data/identity.key': SEED })
const settings = { ...SETTINGS, dataDir: '/data' }

async function printed(listen: string[], json = false): Promise<string> {
  let out = ''
  const code = await id({ ...settings, listen, json }, KEPT, (text) => {
    out += text
  })
  assert.equal(code, 0)
  return out
}

test('the id comes first, then an address a line', async () => {
  assert.equal(await printed(['192.0.2.9:6374']), `${PEER}\n/ip4/192.0.2.9/tcp/6374/p2p/${PEER}\n`)
})

test('listening everywhere gives the address of each interface, the most public first', async () => {
  assert.deepEqual((await printed(['[::]:6374'])).trim().split('\n').slice(1), [
    `/ip4/192.0.2.7/tcp/6374/p2p/${PEER}`,
    `/ip6/2001:db8::7/tcp/6374/p2p/${PEER}`,
    `/ip4/127.0.0.1/tcp/6374/p2p/${PEER}`,
    `/ip6/::1/tcp/6374/p2p/${PEER}`,
  ])
  assert.equal((await printed(['0.0.0.0:1'])).trim().split('\n').length, 1 + 2)
})

test('a port that is only chosen at the start gives no address', async () => {
  assert.equal(await printed([':0']), `${PEER}\n`)
})

test('with --json it is one object', async () => {
  assert.deepEqual(JSON.parse(await printed(['example.org:6374'], true)), {
    id: PEER,
    addresses: [`/dns/example.org/tcp/6374/p2p/${PEER}`],
    name: 'me',
    network: 'default',
    dataDir: '/data',
  })
})

test('where there is no identity, none is made, and it says how to make one', async () => {
  const print = (): never => assert.fail('nothing is printed')
  await assert.rejects(id(settings, world({}), print), /there is no identity in \/data yet; run `meshd` once/)
  await assert.rejects(
    id({ ...settings, dataDir: null }, world({}), print),
    /with --ephemeral a node has a new id each time/,
  )
})

test('a broken key is told', async () => {
  const broken = world({ '/data/identity.key': SEED.subarray(1) })
  await assert.rejects(
    id(settings, broken, () => undefined),
    { code: 'key-file' },
  )
})
