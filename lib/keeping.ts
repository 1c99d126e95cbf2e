// What a node keeps beside its identity: the store of bundles, on disk or in memory, and the address book as a file. Opens,
// saves and closes; what is in them is others' business. docs/guide.md, "The data folder".

import { MeshError, reasonOf } from './errors.ts'
import type { BundleStore } from './flood/bundle-store.ts'
import { Holdings } from './flood/holdings.ts'
import type { KeptState } from './identity/kept-state.ts'
import type { Timer, World } from './io/world.ts'
import type { AddressBook } from './neighbours/address-book.ts'
import type { ResolvedOptions } from './options.ts'
import { MemoryStore } from './store/memory-store.ts'
import { openDurableStore } from './store/open-durable.ts'

/** A changed address book is written at most so often, and at once when it was not for so long. */
const BOOK_SAVE_MS = 10_000
const BOOK_LOOK_MS = 1_000
const BOOK_FILE_MODE = 0o600

/** On disk with a data folder, in memory without one or when nothing is to be kept. Rejects with MeshError `data-folder`. */
export async function openStore(
  world: Pick<World, 'clock' | 'databases'>,
  kept: KeptState,
  networkId: Uint8Array,
  bounds: ResolvedOptions['store'],
  warn: (code: string, text: string) => void,
): Promise<BundleStore> {
  const { clock, databases } = world
  const holdings = new Holdings()
  const path = kept.place('store')
  if (path === null || bounds.bytesMax === 0) return new MemoryStore({ clock, holdings, ...bounds })
  return openDurableStore({ databases, path, clock, networkId, holdings, ...bounds, warn })
}

/** Loads the address book at a start, and saves it while the node runs and at its end. */
export class BookKeeper {
  readonly #world: Pick<World, 'clock' | 'files'>
  readonly #book: AddressBook
  readonly #path: string | null
  readonly #warn: (code: string, text: string) => void
  #timer: Timer | null = null
  #saving: Promise<void> = Promise.resolve()
  #isFailing = false
  #savedMs = Number.NEGATIVE_INFINITY

  constructor(
    world: Pick<World, 'clock' | 'files'>,
    book: AddressBook,
    kept: KeptState,
    warn: (code: string, text: string) => void,
  ) {
    this.#world = world
    this.#book = book
    this.#path = kept.place('peers')
    this.#warn = warn
  }

  async load(): Promise<void> {
    if (this.#path === null) return
    try {
      const bytes = await this.#world.files.read(this.#path)
      if (bytes !== null && !this.#book.decode(bytes)) {
        this.#warn('address-book', `${this.#path} is damaged or of another network; this node begins with an empty one`)
      }
    } catch (error) {
      this.#warn('address-book', `${this.#path} cannot be read: ${reasonOf(error)}`)
    }
    this.#schedule()
  }

  /** Writes what has changed. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    await this.#saving
    await this.#save()
  }

  #schedule(): void {
    const { clock } = this.#world
    this.#timer = clock.timer(BOOK_LOOK_MS, () => {
      if (this.#book.isDirty && clock.nowMs() - this.#savedMs >= BOOK_SAVE_MS) {
        this.#savedMs = clock.nowMs()
        this.#saving = this.#save()
      }
      this.#schedule()
    })
  }

  async #save(): Promise<void> {
    if (this.#path === null || !this.#book.isDirty) return
    const bytes = this.#book.encode()
    this.#book.saved()
    try {
      await this.#world.files.writeAtomic(this.#path, bytes, BOOK_FILE_MODE)
      this.#isFailing = false
    } catch (error) {
      if (this.#isFailing) return
      this.#isFailing = true
      const reason = error instanceof MeshError ? error.message : reasonOf(error)
      this.#warn('address-book', `${this.#path} cannot be written: ${reason}`)
    }
  }
}
