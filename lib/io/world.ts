// The door to the world: everything that is not a function of its arguments (time, chance, sockets, names, multicast, files)
// comes through these interfaces and nowhere else. `lib/io/node.ts` is the real world; `tests/virtual/` has one where time
// and the network are simulated, so that tests run the shipped code and never sleep.

/** An IP address and port. `host` is an IP literal without brackets; IPv4-mapped IPv6 is already written as IPv4. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Monotonic milliseconds, fractional, for which the machine was suspended included. Its zero means nothing. */
  nowMs(): number
  /** Milliseconds since the Unix epoch; may jump. */
  unixMs(): number
  /** Runs once after `delayMs` (0 to 2^31 - 1), later by what the machine is suspended meanwhile. Keeps the process alive until it has run or is cancelled. */
  timer(delayMs: number, run: () => void): Timer
  /** Runs after everything that this turn of the event loop brings has been handled. */
  endOfTurn(run: () => void): void
}

export interface Random {
  /** Cryptographically strong. */
  bytes(length: number): Uint8Array
  /** 0 <= x < 1, for jitter and choice; need not be strong. */
  fraction(): number
}

/** Called by a socket; never after `closed`. */
export interface SocketEvents {
  /**
   * The bytes are the receiver's to keep (a slice pins the whole chunk), unless it called `shareReadBuffer`: then they are
   * good for the length of the call only.
   */
  data(bytes: Uint8Array): void
  /** Everything that was written has been handed to the kernel. */
  drained(): void
  /** The other end will send no more (FIN). */
  ended(): void
  /** Last call, exactly once: both directions are over. `error` is null for an orderly end. */
  closed(error: Error | null): void
}

/** A connected TCP socket. Errors never throw: they come as `closed`. */
export interface Socket {
  readonly remote: Endpoint
  readonly local: Endpoint
  /** Sets who hears of events, in place of whoever did before. Data waits until this has been called. */
  attach(events: SocketEvents): void
  /**
   * Takes ownership of the bytes. Order is kept. `done` is called when they are not needed any more, in whatever way the
   * write ended; without that call they never come free.
   */
  write(bytes: Uint8Array, done?: () => void): void
  /** Bytes written and not yet handed to the kernel. */
  readonly unsentBytes: number
  pause(): void
  resume(): void
  /**
   * Reads into one buffer that all such sockets share, where the platform can: at full speed a buffer for each read costs a
   * tenth of the receiver's time. Changes what `data` promises. Without effect where it cannot be done.
   */
  shareReadBuffer?(): void
  /** Sends what is queued, then FIN. */
  end(): void
  /** Closes at once; what is queued is lost. With `reset`, by RST where the platform can. */
  destroy(options?: { reset?: boolean }): void
  /** Hands the underlying `net.Socket` over with `putBack` as its next bytes to read; this object is dead after it. */
  detach(putBack: Uint8Array): unknown
}

export interface Listener {
  readonly endpoint: Endpoint
  /** Stops accepting; sockets that were accepted live on. */
  close(): Promise<void>
}

export interface Tcp {
  /** Rejects with MeshError `listen-failed`. `host` may be a name, '::' (dual stack) or ''. Port 0 takes a free one. */
  listen(endpoint: Endpoint, accept: (socket: Socket) => void): Promise<Listener>
  /** `host` is an IP literal. Rejects with MeshError `dial-failed` (with the reason), `self-connection`, or `aborted`. */
  dial(endpoint: Endpoint, signal: AbortSignal): Promise<Socket>
}

export interface Names {
  /**
   * All IP addresses of a host name, in the resolver's order. Rejects with MeshError `name-not-found`, and with `aborted` what has
   * not begun; what has begun may go on.
   */
  resolve(name: string, family: 'any' | 'ip4' | 'ip6', signal: AbortSignal): Promise<readonly string[]>
}

/** A network interface's address, as in os.networkInterfaces(). */
export interface InterfaceAddress {
  readonly interfaceName: string
  readonly host: string
  readonly family: 'ip4' | 'ip6'
  readonly internal: boolean
  /** IPv6 scope id, 0 where there is none. */
  readonly scope: number
  /** Leading bits that all addresses of its subnet share: 0 to 32, or to 128. */
  readonly prefixLength: number
}

export interface Files {
  /** The file's bytes, or null where there is none. Rejects what is no ordinary file or longer than any that a node keeps. */
  read(path: string): Promise<Uint8Array | null>
  /** Permission bits (0o777 mask), or null where there is no such file. */
  mode(path: string): Promise<number | null>
  /** Durable replacement: temporary file, fsync, rename, fsync of the folder. */
  writeAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void>
  /** Creates it and its parents with mode 0700 where it is missing. */
  makeFolder(path: string): Promise<void>
  /** Takes an exclusive lock for the life of the process. Rejects with MeshError `data-folder` naming the holder's pid. */
  lock(path: string): Promise<{ release(): Promise<void> }>
}

/** One change of a database; `value` null removes the key. */
export interface DatabaseChange {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

export interface DatabaseEntry {
  readonly key: Uint8Array
  /** The caller's to keep. */
  readonly value: Uint8Array
}

/**
 * An ordered map of bytes on disk: keys ascend bytewise. Reads see what was committed, at once and without waiting; a value
 * that the disk did not keep as it was written reads as an empty one. Throws MeshError `data-folder` where it cannot read.
 */
export interface Database {
  get(key: Uint8Array): Uint8Array | null
  /** Entries with from <= key < to, ascending, or descending with `reverse`. Read step by step, within one turn. */
  range(from: Uint8Array, to: Uint8Array, options?: { reverse?: boolean }): Iterable<DatabaseEntry>
  /** All or nothing; durable when it resolves. Rejects when the disk does not take it (full, failing): nothing has changed then. */
  commit(changes: readonly DatabaseChange[]): Promise<void>
  close(): Promise<void>
}

export interface Databases {
  /**
   * Opens the database in the folder `path`, made when there is none. Keys have at most 512 bytes. Rejects with MeshError
   * `data-folder`. A damaged one is moved aside to `path`.damaged-<Unix ms>, and a new one opened: `setAside` is its place.
   * So is one that `accepts` says no to; it may read it within the call, and a new one is accepted empty.
   */
  open(
    path: string,
    accepts?: (database: Database) => boolean,
  ): Promise<{ database: Database; setAside: string | null }>
}

export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly tcp: Tcp
  readonly names: Names
  readonly files: Files
  readonly databases: Databases
  interfaces(): readonly InterfaceAddress[]
  /** Multicast DNS on this machine's interfaces; null where this world has none. */
  readonly multicast: Multicast | null
}

/** One DNS resource record as `multicast-dns` (dns-packet) reads and writes it. */
export interface DnsRecord {
  name: string
  type: string
  ttl?: number
  class?: string
  flush?: boolean
  data?: unknown
}

export interface DnsPacket {
  type: 'query' | 'response'
  questions: { name: string; type: string }[]
  answers: DnsRecord[]
  additionals: DnsRecord[]
}

export interface MulticastSocket {
  /** Sends to the group on this interface; failures come through `failed`. */
  send(packet: Partial<DnsPacket>): void
  close(): Promise<void>
}

export interface Multicast {
  /**
   * Opens mDNS (port 5353) on one interface; failing to do so comes through `failed` too. Only packets from that interface's
   * own link are `received`, our own included; what is not DNS is nothing. Both may be called until `close` resolves.
   */
  open(
    on: InterfaceAddress,
    events: { received(packet: DnsPacket, from: Endpoint): void; failed(error: Error): void },
  ): MulticastSocket
}
