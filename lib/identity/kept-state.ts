// What a node keeps between its runs, in its data folder: the key that is its identity and the last epoch. Without a folder
// nothing is kept and each run is a new node. One process uses a folder at a time.

import { join } from 'node:path'
import type { World } from '../io/world.ts'
import { freshEpoch, readEpoch, writeEpoch } from './epoch-file.ts'
import { loadOrCreateSeed } from './key-file.ts'

export type KeptWorld = Pick<World, 'files' | 'random' | 'clock'>

export class KeptState {
  readonly #world: KeptWorld
  readonly #folder: string | null
  readonly #warn: (code: string, text: string) => void
  readonly #unlock: () => Promise<void>

  private constructor(
    world: KeptWorld,
    folder: string | null,
    warn: (code: string, text: string) => void,
    unlock: () => Promise<void>,
  ) {
    this.#world = world
    this.#folder = folder
    this.#warn = warn
    this.#unlock = unlock
  }

  /** Makes and locks the folder; null for none. Rejects with MeshError `data-folder`. */
  static async open(
    world: KeptWorld,
    folder: string | null,
    warn: (code: string, text: string) => void,
  ): Promise<KeptState> {
    if (folder === null) return new KeptState(world, null, warn, () => Promise.resolve())
    await world.files.makeFolder(folder)
    const lock = await world.files.lock(join(folder, 'lock'))
    return new KeptState(world, folder, warn, () => lock.release())
  }

  /** Where in the folder something of this name is kept; null when nothing is kept. */
  place(name: string): string | null {
    return this.#folder === null ? null : join(this.#folder, name)
  }

  /** The 32-byte seed of the identity; made when there is none. Rejects with MeshError `key-file`. */
  async seed(): Promise<Uint8Array> {
    const { files, random } = this.#world
    if (this.#folder === null) return random.bytes(32)
    return (await loadOrCreateSeed(files, random, join(this.#folder, 'identity.key'))).seed
  }

  /** An epoch beyond `after` and beyond every earlier run's, durable when this resolves. Rejects with `data-folder`. */
  async nextEpoch(after: number): Promise<number> {
    const { files, random, clock } = this.#world
    if (this.#folder === null) return freshEpoch(after, clock.unixMs(), random)
    const path = join(this.#folder, 'epoch')
    const stored = await readEpoch(files, path)
    if (stored === 'damaged') this.#warn('epoch-file', `${path} did not hold an epoch and was written anew`)
    const last = typeof stored === 'number' ? stored : 0
    const epoch = freshEpoch(Math.max(after, last), clock.unixMs(), random)
    await writeEpoch(files, path, epoch)
    return epoch
  }

  /** Lets another process have the folder. */
  release(): Promise<void> {
    return this.#unlock()
  }
}
