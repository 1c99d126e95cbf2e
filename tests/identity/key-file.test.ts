import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY, toHex, utf8 } from '../../lib/bytes.ts'
import { loadOrCreateSeed, parseNetworkKey } from '../../lib/identity/key-file.ts'
import type { Files, Random } from '../../lib/io/world.ts'
import { seeded } from '../crypto/seeded.ts'

const PATH = '/data/meshd/identity.key'

/** A disk with at most one file, which keeps a list of what was asked of it. */
class OneFile implements Files {
  readonly calls: string[] = []
  content: Uint8Array | null
  bits: number | null

  constructor(content: Uint8Array | null, bits: number | null) {
    this.content = content
    this.bits = bits
  }

  async read(path: string): Promise<Uint8Array | null> {
    this.calls.push(`read ${path}`)
    return this.content
  }

  async mode(path: string): Promise<number | null> {
    this.calls.push(`mode ${path}`)
    return this.bits
  }

  async writeAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    this.calls.push(`write ${path}`)
    this.content = bytes.slice()
    this.bits = mode
  }

  async makeFolder(path: string): Promise<void> {
    this.calls.push(`folder ${path}`)
  }

  lock(): never {
    assert.fail('a key file is not locked by itself')
  }
}

const random: Random = { bytes: (length) => new Uint8Array(length).fill(0x5a), fraction: () => 0 }

test('without a file a seed is made and written, for its owner only, before it is given out', async () => {
  const files = new OneFile(null, null)
  const first = await loadOrCreateSeed(files, random, PATH)
  assert.deepEqual(first, { seed: new Uint8Array(32).fill(0x5a), created: true })
  assert.deepEqual(files.content, first.seed)
  assert.equal(files.bits, 0o600)
  assert.deepEqual(files.calls.slice(-2), ['folder /data/meshd', `write ${PATH}`])
  assert.deepEqual(await loadOrCreateSeed(files, random, PATH), { seed: first.seed, created: false })
})

test('a seed that cannot be written is not given out', async () => {
  const files = new OneFile(null, null)
  files.writeAtomic = () => Promise.reject(new Error('disk full'))
  await assert.rejects(loadOrCreateSeed(files, random, PATH), /disk full/)
})

test('any permission for group or others is refused unread, with the command that mends it', async () => {
  for (let bit = 1; bit <= 0o40; bit <<= 1) {
    const files = new OneFile(new Uint8Array(32).fill(1), 0o600 | bit)
    await assert.rejects(loadOrCreateSeed(files, random, PATH), {
      code: 'key-file',
      fault: 'local',
      message: new RegExp(`${PATH}.*mode 06\\d\\d.*chmod 600 ${PATH}`),
    })
    assert.deepEqual(files.calls, [`mode ${PATH}`])
  }
})

test("stricter modes of the owner's, and a platform that knows no modes, are fine", async () => {
  for (const mode of [0o600, 0o400, 0o700, null]) {
    const { created } = await loadOrCreateSeed(new OneFile(new Uint8Array(32).fill(1), mode), random, PATH)
    assert.equal(created, false)
  }
})

test('a file of another length is refused and left as it is: no new identity by silence', async () => {
  for (const length of [0, 1, 31, 33, 64]) {
    const files = new OneFile(new Uint8Array(length).fill(1), 0o600)
    await assert.rejects(loadOrCreateSeed(files, random, PATH), {
      code: 'key-file',
      message: new RegExp(`${PATH} holds ${length} bytes, not 32.*mv ${PATH}`),
    })
    assert.equal(files.content!.length, length)
  }
})

test('a file of zeros, as a power cut leaves it, is refused', async () => {
  await assert.rejects(loadOrCreateSeed(new OneFile(new Uint8Array(32), 0o600), random, PATH), {
    code: 'key-file',
    message: /only zeros/,
  })
})

test('a path that a shell would split is quoted in the command', async () => {
  const path = "/home/o'neil/my key"
  await assert.rejects(loadOrCreateSeed(new OneFile(EMPTY, 0o644), random, path), {
    message: /chmod 600 '\/home\/o'\\''neil\/my key'$/,
  })
})

test('no message of a key error holds the key', async () => {
  const secret = seeded(81).bytes(33)
  const forms = [toHex(secret), Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('latin1')]
  const errors = await Promise.all([
    loadOrCreateSeed(new OneFile(secret, 0o600), random, PATH).catch(String),
    Promise.resolve()
      .then(() => parseNetworkKey(secret))
      .catch(String),
  ])
  for (const error of errors) for (const form of forms) assert.equal(String(error).includes(form), false)
})

test('a network key is read raw, in hex and in base64, with and without a newline', () => {
  const random = seeded(82)
  for (let round = 0; round < 20; round++) {
    const key = random.bytes(32)
    const buffer = Buffer.from(key)
    assert.deepEqual(parseNetworkKey(key), key)
    const texts = [toHex(key), toHex(key).toUpperCase(), buffer.toString('base64'), buffer.toString('base64url')]
    texts.push(buffer.toString('base64').replace('=', ''))
    for (const text of texts) {
      for (const end of ['', '\n', '\r\n']) assert.deepEqual(parseNetworkKey(utf8(text + end)), key, text)
    }
  }
})

test('the key that was read is not the array that it was read from', () => {
  const bytes = new Uint8Array(32).fill(1)
  const key = parseNetworkKey(bytes)
  bytes.fill(0)
  assert.deepEqual(key, new Uint8Array(32).fill(1))
})

test('anything else is no network key', () => {
  const hex = 'ab'.repeat(32)
  const base64 = Buffer.alloc(32, 7).toString('base64')
  const texts = ['', '\n', hex.slice(1), `${hex}0`, `${hex}\n\n`, ` ${hex}`, hex.replace('a', 'g'), `${base64}=`]
  // The last digit carries two bits beyond the 32 bytes.
  texts.push(
    base64.slice(0, 42),
    `${base64.slice(0, 42)}d=`,
    base64.replace('B', '*'),
    'correct horse battery staple',
    `\u{feff}${hex}`,
  )
  for (const text of texts) assert.throws(() => parseNetworkKey(utf8(text)), { code: 'bad-key', message: /32/ }, text)
  for (const length of [0, 31, 33, 63, 65, 10_000]) {
    assert.throws(() => parseNetworkKey(new Uint8Array(length).fill(0xfe)), { code: 'bad-key' })
  }
})
