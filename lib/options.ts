// The options of a Mesh: one object, checked once, frozen. Every error names the option and what would be right.

import { copyBytes } from './bytes.ts'
import { MeshError } from './errors.ts'
import { AGENT_BYTES_MAX, HANDSHAKE_TIMEOUT_MS, NAME_BYTES_MAX } from './limits.ts'

export interface MeshOptions {
  /** Which network: nodes meet only inside one. `key`: the secret of a private one, 32 bytes; absent: an open network. */
  network?: { name?: string; key?: Uint8Array | undefined }
  /** `host:port`, `[v6]:port`, `:port` or multiaddrs; port 0 takes a free one. Empty: no listener. */
  listen?: readonly string[]
  /** Addresses that are dialled for ever. A name is resolved anew at each try. `/p2p/<id>` insists on an identity. */
  seeds?: readonly string[]
  /** Announce and find nodes on the local network. */
  mdns?: boolean
  /** Folder for identity and state, made with mode 0700. Absent: nothing is kept. */
  dataDir?: string | undefined
  /** Shown to people beside the id, at most 64 bytes of UTF-8. */
  name?: string
  /** Shown to people: program and version, at most 64 bytes of UTF-8. */
  agent?: string
  /** 32-byte Ed25519 seed. Absent: the one in `dataDir`, else a new one. */
  identity?: Uint8Array | undefined
  degree?: {
    /** Links that this node tries to have by choosing from found addresses; 0: only links that were asked for. */
    target?: number
    /** Most links chosen by ourselves, seeds included. */
    chosenMax?: number
    /** Most links in all; a newcomer beyond is told of others and sent away. */
    max?: number
  }
  /**
   * `adaptive`: each message comes to this node over one link, and the others only tell that they have it; where a neighbour
   * cannot do that, or `store` keeps less than 8 MiB or 10 s, as `eager`. `eager`: every link carries every message.
   */
  flood?: 'eager' | 'adaptive'
  /**
   * How much of what was heard is kept for repair and history. Absent: 64 MiB and 10 minutes in memory; with a data folder
   * 1 GiB and 24 hours on disk. `bytesMax` 0 keeps nothing: this node repairs nobody, and no subscription can look back.
   */
  store?: { bytesMax?: number; ageMsMax?: number }
  heartbeat?: {
    /** Time between pings on a quiet link; each is jittered by a tenth. */
    intervalMs?: number
    /** Unanswered pings after which a link is dead. */
    missedMax?: number
  }
  /** From connect or accept to open, whatever the pace of the bytes. */
  handshakeTimeoutMs?: number
  backoff?: {
    /** Upper bound of the first wait after a failed dial; doubles with each failure, drawn with full jitter. */
    firstMs?: number
    maxMs?: number
    /** A link must live this long before its address starts from `firstMs` again. */
    resetAfterMs?: number
  }
}

/** What the modules see: every option present. */
export interface ResolvedOptions {
  readonly network: { readonly name: string; readonly key: Uint8Array | null }
  readonly listen: readonly string[]
  readonly seeds: readonly string[]
  readonly mdns: boolean
  readonly dataDir: string | null
  readonly name: string
  readonly agent: string
  readonly identity: Uint8Array | null
  readonly degree: { readonly target: number; readonly chosenMax: number; readonly max: number }
  readonly flood: 'eager' | 'adaptive'
  readonly store: { readonly bytesMax: number; readonly ageMsMax: number }
  readonly heartbeat: { readonly intervalMs: number; readonly missedMax: number }
  readonly handshakeTimeoutMs: number
  readonly backoff: { readonly firstMs: number; readonly maxMs: number; readonly resetAfterMs: number }
}

/** 6374 spells MESH on a telephone. */
export const DEFAULT_PORT = 6374

export const DEFAULTS: ResolvedOptions = Object.freeze({
  network: Object.freeze({ name: 'default', key: null }),
  listen: Object.freeze([`[::]:${DEFAULT_PORT}`]),
  seeds: Object.freeze([]),
  mdns: true,
  dataDir: null,
  name: '',
  agent: 'meshd',
  identity: null,
  // Six random links keep a graph of thousands connected with a diameter of four to five; 12 and 64 bound what we open and hold.
  degree: Object.freeze({ target: 6, chosenMax: 12, max: 64 }),
  flood: 'adaptive',
  store: Object.freeze({ bytesMax: 64 * 1_048_576, ageMsMax: 600_000 }),
  heartbeat: Object.freeze({ intervalMs: 30_000, missedMax: 3 }),
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  backoff: Object.freeze({ firstMs: 500, maxMs: 60_000, resetAfterMs: 30_000 }),
})

/** Of `store`, where there is a data folder. */
export const DURABLE_STORE_DEFAULTS: ResolvedOptions['store'] = Object.freeze({
  bytesMax: 1_073_741_824,
  ageMsMax: 86_400_000,
})

/** Checks what a user gave and fills in the rest. Throws MeshError `bad-option`. The result is frozen. */
export function resolveOptions(given: MeshOptions = {}): ResolvedOptions {
  onlyKnown('', given, Object.keys(DEFAULTS))
  const network = section('network', given.network, ['name', 'key'])
  const degree = section('degree', given.degree, Object.keys(DEFAULTS.degree))
  const heartbeat = section('heartbeat', given.heartbeat, Object.keys(DEFAULTS.heartbeat))
  const backoff = section('backoff', given.backoff, Object.keys(DEFAULTS.backoff))
  const store = section('store', given.store, Object.keys(DEFAULTS.store))
  const storeDefaults = given.dataDir === undefined ? DEFAULTS.store : DURABLE_STORE_DEFAULTS
  const firstMs = integer('backoff.firstMs', backoff.firstMs, DEFAULTS.backoff.firstMs, 1, 86_400_000)
  const max = integer('degree.max', degree.max, DEFAULTS.degree.max, 1, 4096)
  return Object.freeze({
    network: Object.freeze({
      name: text('network.name', network.name, DEFAULTS.network.name, 1, 255),
      key: bytes32('network.key', network.key),
    }),
    listen: texts('listen', given.listen, DEFAULTS.listen),
    seeds: texts('seeds', given.seeds, DEFAULTS.seeds),
    mdns: boolean('mdns', given.mdns, DEFAULTS.mdns),
    dataDir: given.dataDir === undefined ? null : text('dataDir', given.dataDir, '', 1, 4096),
    name: text('name', given.name, DEFAULTS.name, 0, NAME_BYTES_MAX),
    agent: text('agent', given.agent, DEFAULTS.agent, 0, AGENT_BYTES_MAX),
    identity: bytes32('identity', given.identity),
    degree: Object.freeze({
      target: integer('degree.target', degree.target, Math.min(DEFAULTS.degree.target, max), 0, max),
      chosenMax: integer('degree.chosenMax', degree.chosenMax, DEFAULTS.degree.chosenMax, 1, 4096),
      max,
    }),
    flood: oneOf('flood', given.flood, DEFAULTS.flood, ['eager', 'adaptive']),
    store: Object.freeze({
      bytesMax: integer('store.bytesMax', store.bytesMax, storeDefaults.bytesMax, 0, 2 ** 40),
      ageMsMax: integer('store.ageMsMax', store.ageMsMax, storeDefaults.ageMsMax, 1, 30 * 86_400_000),
    }),
    heartbeat: Object.freeze({
      intervalMs: integer('heartbeat.intervalMs', heartbeat.intervalMs, DEFAULTS.heartbeat.intervalMs, 10, 3_600_000),
      missedMax: integer('heartbeat.missedMax', heartbeat.missedMax, DEFAULTS.heartbeat.missedMax, 1, 100),
    }),
    handshakeTimeoutMs: integer('handshakeTimeoutMs', given.handshakeTimeoutMs, HANDSHAKE_TIMEOUT_MS, 10, 600_000),
    backoff: Object.freeze({
      firstMs,
      maxMs: integer('backoff.maxMs', backoff.maxMs, Math.max(firstMs, DEFAULTS.backoff.maxMs), firstMs, 86_400_000),
      resetAfterMs: integer('backoff.resetAfterMs', backoff.resetAfterMs, DEFAULTS.backoff.resetAfterMs, 0, 86_400_000),
    }),
  })
}

function bad(name: string, should: string): MeshError {
  return new MeshError('bad-option', `option ${name} must be ${should}`)
}

function onlyKnown(prefix: string, given: object, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const what = prefix === '' ? 'the options' : `option ${prefix.slice(0, -1)}`
    throw new MeshError('bad-option', `${what} must be an object`)
  }
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      throw new MeshError('bad-option', `unknown option ${prefix}${key}; known here: ${known.join(', ')}`)
    }
  }
}

function section<T extends object>(name: string, given: T | undefined, known: readonly string[]): Partial<T> {
  if (given === undefined) return {}
  onlyKnown(`${name}.`, given, known)
  return given
}

function integer(name: string, given: unknown, fallback: number, min: number, max: number): number {
  if (given === undefined) return fallback
  if (typeof given !== 'number' || !Number.isInteger(given) || given < min || given > max) {
    throw bad(name, `a whole number from ${min} to ${max}`)
  }
  return given
}

function text(name: string, given: unknown, fallback: string, min: number, max: number): string {
  if (given === undefined) return fallback
  if (typeof given !== 'string' || Buffer.byteLength(given) < min || Buffer.byteLength(given) > max) {
    throw bad(name, `text of ${min} to ${max} bytes`)
  }
  return given
}

function texts(name: string, given: unknown, fallback: readonly string[]): readonly string[] {
  if (given === undefined) return fallback
  if (!Array.isArray(given) || given.length > 1024 || given.some((item) => typeof item !== 'string')) {
    throw bad(name, 'an array of at most 1024 texts')
  }
  return Object.freeze([...given])
}

function boolean(name: string, given: unknown, fallback: boolean): boolean {
  if (given === undefined) return fallback
  if (typeof given !== 'boolean') throw bad(name, 'true or false')
  return given
}

function bytes32(name: string, given: unknown): Uint8Array | null {
  if (given === undefined) return null
  if (!(given instanceof Uint8Array) || given.length !== 32) throw bad(name, 'a Uint8Array of 32 bytes')
  return copyBytes(given)
}

function oneOf<T extends string>(name: string, given: unknown, fallback: T, allowed: readonly T[]): T {
  if (given === undefined) return fallback
  if (!allowed.includes(given as T)) throw bad(name, `one of ${allowed.join(', ')}`)
  return given as T
}
