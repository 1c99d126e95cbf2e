// The world of one simulated node: its clock, its chance, its place in the network, and files and databases in
// memory.

import { MeshError } from '../../lib/errors.ts'
import type { Databases, Files, Multicast, Names, Random, World } from '../../lib/io/world.ts'
import { chance } from './chance.ts'
import { NodeClock, type VirtualTime } from './clock.ts'
import { MemoryDisk } from './database.ts'
import type { VirtualHost } from './network.ts'

/** A disk that outlives the nodes that use it. */
export class MemoryFiles implements Files {
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly mode: number }>()
  readonly #locks = new Set<string>()
  /** Writing fails as on a full disk. */
  isFull = false

  async read(path: string): Promise<Uint8Array | null> {
    return this.#files.get(path)?.bytes.slice() ?? null
  }

  async mode(path: string): Promise<number | null> {
    return this.#files.get(path)?.mode ?? null
  }

  async writeAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    if (this.isFull) throw new MeshError('data-folder', `cannot write ${path}: no space left on device`)
    this.#files.set(path, { bytes: bytes.slice(), mode })
  }

  async makeFolder(): Promise<void> {}

  async lock(path: string): Promise<{ release(): Promise<void> }> {
    if (this.#locks.has(path)) throw new MeshError('data-folder', `${path} is held by process 1`)
    this.#locks.add(path)
    return {
      release: async () => {
        this.#locks.delete(path)
      },
    }
  }

  get lockCount(): number {
    return this.#locks.size
  }

  /** Every lock of a process that has died is void. */
  breakLocks(): void {
    this.#locks.clear()
  }

  /** Another disk with the same files. */
  backup(): MemoryFiles {
    const copy = new MemoryFiles()
    for (const [path, file] of this.#files) copy.#files.set(path, file)
    return copy
  }
}

/** Host names that a test sets. */
export class NameTable implements Names {
  readonly #names = new Map<string, readonly string[]>()
  /** How often each name was asked for. */
  readonly asked: string[] = []

  set(name: string, addresses: readonly string[]): void {
    this.#names.set(name, addresses)
  }

  async resolve(name: string): Promise<readonly string[]> {
    this.asked.push(name)
    const found = this.#names.get(name)
    if (found === undefined) throw new MeshError('name-not-found', `${name} has no address`)
    return found
  }
}

export interface WorldParts {
  readonly files?: MemoryFiles
  /** Where its databases are; outlives the node, as `files` do. */
  readonly disk?: MemoryDisk
  readonly names?: NameTable
  readonly multicast?: Multicast | null
}

export class VirtualWorld implements World {
  readonly clock: NodeClock
  readonly random: Random
  readonly tcp: World['tcp']
  readonly names: NameTable
  readonly files: MemoryFiles
  readonly disk: MemoryDisk
  readonly databases: Databases
  readonly multicast: Multicast | null
  readonly host: VirtualHost

  constructor(time: VirtualTime, host: VirtualHost, seed: number, parts: WorldParts = {}) {
    this.clock = new NodeClock(time)
    this.random = seededRandom(seed)
    this.host = host
    this.tcp = host.tcp
    this.names = parts.names ?? new NameTable()
    this.files = parts.files ?? new MemoryFiles()
    this.disk = parts.disk ?? new MemoryDisk()
    this.databases = this.disk.of(this.clock)
    this.multicast = parts.multicast ?? null
  }

  interfaces(): ReturnType<World['interfaces']> {
    return this.host.interfaces()
  }
}

export function seededRandom(seed: number): Random {
  const random = chance(seed)
  return { bytes: (length) => random.bytes(length), fraction: () => random.below(2 ** 32) / 2 ** 32 }
}
