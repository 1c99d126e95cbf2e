// Looks whether lmdb's data file is whole before lmdb opens it. lmdb trusts every page: where one is damaged it reads outside
// its map, and the process dies of that. This reads each page that either tree of the newest snapshot uses, the list of free
// pages included, and none of the values. Not a repair, and no check of what the values say: database.ts has a checksum for
// each. The layout is that of data version 2 on 64-bit little-endian machines (`liblmdb/mdb.c` in the package lmdb).

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import { errnoOf } from './errno.ts'

const MAGIC = 0xbeef_c0de
const DATA_VERSION = 2
const PAGE_HEAD_BYTES = 24
const META_BYTES = 144
const NODE_HEAD_BYTES = 8
const OVERFLOW_REFERENCE_BYTES = 24
const DEPTH_MAX = 32
/** No tree has a page there: its root where it is empty. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn
/** Pages at the end that were freed again are never written, so the file may be shorter than its last page number says. */
const UNWRITTEN_BYTES_MAX = 1_073_741_824
const SLICE_MS = 8
const LAYOUT_KNOWN = endianness() === 'LE' && ['x64', 'arm64', 'riscv64', 'loong64', 'ppc64'].includes(process.arch)

const PageFlag = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const
const KIND_MASK = 0x6f
const NodeFlag = { big: 0x01 } as const

/** Thrown within this module alone: the first thing found wrong. */
class Damage extends Error {}

/** Null when lmdb can open the file at `path` without harm (one that is missing or empty included), else what is wrong with it. */
export async function damageOf(path: string): Promise<string | null> {
  if (!LAYOUT_KNOWN) return null
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  }
  try {
    const { size } = fstatSync(file)
    if (size > 0) await new DataFile(file, size).check()
    return null
  } catch (error) {
    if (error instanceof Damage) return error.message
    throw error
  } finally {
    closeSync(file)
  }
}

interface Tree {
  readonly name: 'free' | 'main'
  readonly depth: number
  readonly root: number | null
}

interface Meta {
  readonly pageBytes: number
  readonly transaction: number
  readonly lastPage: number
  readonly trees: readonly Tree[]
}

class DataFile {
  readonly #file: number
  readonly #size: number
  /** One bit for each page that a tree uses. */
  #used: Uint8Array = new Uint8Array(0)
  #pageBytes = 4_096
  #pageCount = 0
  #page: DataView = new DataView(new ArrayBuffer(0))
  readonly #head: DataView = new DataView(new ArrayBuffer(PAGE_HEAD_BYTES))
  #sliceEndsMs = performance.now() + SLICE_MS

  constructor(file: number, size: number) {
    this.#file = file
    this.#size = size
  }

  async check(): Promise<void> {
    const { pageBytes, lastPage, trees } = this.#newestMeta()
    this.#pageBytes = pageBytes
    this.#pageCount = lastPage + 1
    this.#page = new DataView(new ArrayBuffer(pageBytes))
    this.#used = new Uint8Array(Math.ceil(this.#pageCount / 8))
    this.#use(0, 2)
    const freeLists: [page: number, bytes: number][] = []
    // What is in use has to be known before the list of free pages can be held against it.
    for (const tree of [trees[1]!, trees[0]!]) await this.#walk(tree, freeLists)
    for (const [at, bytes] of freeLists) this.#checkFreeList(at, bytes)
  }

  #newestMeta(): Meta {
    const first = this.#metaAt(0)
    if (first === null) throw new Damage('its first page is not that of a database')
    const second = this.#metaAt(first.pageBytes)
    // Both are written in turn; lmdb takes the one with the greater number without looking at the rest of it.
    const raw = new DataView(this.#read(first.pageBytes, PAGE_HEAD_BYTES + META_BYTES))
    const secondTransaction = raw.getBigUint64(PAGE_HEAD_BYTES + 128, true)
    if (BigInt(first.transaction) >= secondTransaction) return first
    if (second === null) throw new Damage('its second page is damaged')
    if (second.pageBytes !== first.pageBytes) throw new Damage('its first two pages contradict each other')
    return second
  }

  /** Null for anything but a meta page. */
  #metaAt(at: number): Meta | null {
    const view = new DataView(this.#read(at, PAGE_HEAD_BYTES + META_BYTES))
    if ((view.getUint16(18, true) & PageFlag.meta) === 0) return null
    const meta = PAGE_HEAD_BYTES
    if (view.getUint32(meta, true) !== MAGIC || (view.getUint32(meta + 4, true) & 0xffff) !== DATA_VERSION) return null
    const pageBytes = view.getUint32(meta + 24, true)
    if (pageBytes < 256 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) return null
    const lastPage = Number(view.getBigUint64(meta + 120, true))
    const bytes = (lastPage + 1) * pageBytes
    if (lastPage < 1 || bytes > Math.max(2 * this.#size, this.#size + UNWRITTEN_BYTES_MAX)) return null
    const transaction = Number(view.getBigUint64(meta + 128, true))
    if (!Number.isSafeInteger(transaction)) return null
    const tree = (name: Tree['name'], at: number): Tree => {
      const root = view.getBigUint64(at + 40, true)
      return { name, depth: view.getUint16(at + 6, true), root: root === NO_PAGE ? null : Number(root) }
    }
    return { pageBytes, transaction, lastPage, trees: [tree('free', meta + 24), tree('main', meta + 72)] }
  }

  async #walk(tree: Tree, freeLists: [number, number][]): Promise<void> {
    if (tree.root === null) return
    if (tree.depth < 1 || tree.depth > DEPTH_MAX) throw new Damage(`a tree of depth ${tree.depth}`)
    // page, levels below and including it, page, levels, …
    const open: number[] = [tree.root, tree.depth]
    while (open.length > 0) {
      const levels = open.pop()!
      const number = open.pop()!
      this.#use(number, 1)
      this.#readInto(this.#page, number * this.#pageBytes)
      if (levels > 1) this.#branch(number, tree, levels, open)
      else this.#leaf(number, tree, freeLists)
      if (performance.now() >= this.#sliceEndsMs) {
        await new Promise((resolve) => setImmediate(resolve))
        this.#sliceEndsMs = performance.now() + SLICE_MS
      }
    }
  }

  #branch(number: number, tree: Tree, levels: number, open: number[]): void {
    const page = this.#page
    const count = this.#nodeCount(number, PageFlag.branch)
    if (count < (tree.name === 'main' ? 2 : 1)) throw new Damage(`page ${number} has too few branches`)
    for (let i = 0; i < count; i++) {
      const node = this.#node(number, i)
      if (node + NODE_HEAD_BYTES + page.getUint16(node + 6, true) > page.byteLength) throw broken(number)
      open.push(page.getUint32(node, true) + page.getUint16(node + 4, true) * 2 ** 32, levels - 1)
    }
  }

  #leaf(number: number, tree: Tree, freeLists: [number, number][]): void {
    const page = this.#page
    const count = this.#nodeCount(number, PageFlag.leaf)
    for (let i = 0; i < count; i++) {
      const node = this.#node(number, i)
      const dataBytes = page.getUint32(node, true)
      const flags = page.getUint16(node + 4, true)
      const keyBytes = page.getUint16(node + 6, true)
      const data = node + NODE_HEAD_BYTES + keyBytes
      const isBig = flags === NodeFlag.big
      if ((flags !== 0 && !isBig) || keyBytes === 0 || (tree.name === 'free' && keyBytes !== 8)) throw broken(number)
      if (data + (isBig ? OVERFLOW_REFERENCE_BYTES : dataBytes) > page.byteLength) throw broken(number)
      if (isBig) this.#overflow(data, dataBytes)
      if (tree.name !== 'free') continue
      const at = isBig
        ? Number(page.getBigUint64(data, true)) * this.#pageBytes + PAGE_HEAD_BYTES
        : number * this.#pageBytes + data
      freeLists.push([at, dataBytes])
    }
  }

  /** Number of nodes of the page that was read last. */
  #nodeCount(number: number, kind: number): number {
    const page = this.#page
    const lower = page.getUint16(20, true)
    const upper = page.getUint16(22, true)
    if (Number(page.getBigUint64(0, true)) !== number || (page.getUint16(18, true) & KIND_MASK) !== kind) {
      throw broken(number)
    }
    if (lower === 0 || lower % 2 !== 0 || lower > upper || upper > this.#pageBytes - PAGE_HEAD_BYTES)
      throw broken(number)
    return lower / 2
  }

  /** Offset of a node in the page that was read last; its head lies within. */
  #node(number: number, index: number): number {
    const at = this.#page.getUint16(PAGE_HEAD_BYTES + index * 2, true)
    if (at < this.#page.getUint16(22, true) || at + PAGE_HEAD_BYTES + NODE_HEAD_BYTES > this.#pageBytes) {
      throw broken(number)
    }
    return at + PAGE_HEAD_BYTES
  }

  /** The pages of a value that did not fit its leaf. */
  #overflow(referenceAt: number, dataBytes: number): void {
    const number = Number(this.#page.getBigUint64(referenceAt, true))
    // More than it needs when a shorter value took a longer one's place within one commit.
    const pages = Number(this.#page.getBigUint64(referenceAt + 16, true))
    if (pages * this.#pageBytes < PAGE_HEAD_BYTES + dataBytes) throw broken(number)
    this.#use(number, pages)
    this.#readInto(this.#head, number * this.#pageBytes)
    const isWhole =
      Number(this.#head.getBigUint64(0, true)) === number &&
      (this.#head.getUint16(18, true) & KIND_MASK) === PageFlag.overflow &&
      this.#head.getUint32(20, true) === pages
    if (!isWhole) throw broken(number)
  }

  /** count, then pages, or -n and the first of n pages; 0 is a place that is empty. */
  #checkFreeList(at: number, bytes: number): void {
    const list = new DataView(this.#read(at, bytes))
    const count = bytes < 8 ? -1 : Number(list.getBigUint64(0, true))
    if (count < 0 || count > bytes / 8 - 1) throw new Damage('the list of free pages is damaged')
    for (let i = 1; i <= count; i++) {
      let first = Number(list.getBigInt64(i * 8, true))
      let pages = 1
      if (first === 0) continue
      if (first < 0) {
        pages = -first
        if (i === count) throw new Damage('the list of free pages is damaged')
        first = Number(list.getBigInt64(++i * 8, true))
      }
      if (first < 2 || first + pages > this.#pageCount) throw new Damage('the list of free pages is damaged')
      for (let page = first; page < first + pages; page++) {
        if (this.#isUsed(page)) throw new Damage(`page ${page} is in use and free at once`)
      }
    }
  }

  #use(first: number, count: number): void {
    const end = first + count
    if (!Number.isSafeInteger(end) || end > this.#pageCount || end * this.#pageBytes > this.#size) {
      throw new Damage(`page ${end - 1} is not there`)
    }
    for (let page = first; page < end; page++) {
      if (this.#isUsed(page)) throw new Damage(`page ${page} is used twice`)
      this.#used[page >>> 3]! |= 1 << (page & 7)
    }
  }

  #isUsed(page: number): boolean {
    return (this.#used[page >>> 3]! & (1 << (page & 7))) !== 0
  }

  #read(at: number, length: number): ArrayBuffer {
    const view = new DataView(new ArrayBuffer(length))
    this.#readInto(view, at)
    return view.buffer as ArrayBuffer
  }

  #readInto(view: DataView, at: number): void {
    if (at + view.byteLength > this.#size || readSync(this.#file, view, 0, view.byteLength, at) !== view.byteLength) {
      throw new Damage('it ends too early')
    }
  }
}

function broken(page: number): Damage {
  return new Damage(`page ${page} is damaged`)
}
