// Operating system error codes in words, for messages that a person reads. Not a decision about whose fault it is: the
// callers choose the MeshError code and keep the original error as its cause.

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'the address is already in use',
  EADDRNOTAVAIL: 'the address does not exist on this machine',
  EAFNOSUPPORT: 'this machine does not have that address family',
  EAI_AGAIN: 'the name server did not answer',
  EAI_NODATA: 'the name has no address',
  EAI_NONAME: 'no such name',
  ECONNABORTED: 'connection aborted',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EEXIST: 'it exists already',
  EHOSTDOWN: 'host is down',
  EHOSTUNREACH: 'host unreachable',
  EINVAL: 'the address is not usable here',
  EISDIR: 'it is a folder',
  EMFILE: 'this process has too many open files',
  ENETDOWN: 'network is down',
  ENETUNREACH: 'network unreachable',
  ENFILE: 'this machine has too many open files',
  ENOBUFS: 'the system is out of network buffers',
  ENOENT: 'no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'part of the path is not a folder',
  ENOTFOUND: 'no such name',
  EPERM: 'operation not permitted',
  EPIPE: 'the other end has closed',
  EROFS: 'the file system is read-only',
  ETIMEDOUT: 'timed out',
}

/** The system's code of a thrown value (`ECONNREFUSED`), or null where it has none. */
export function errnoOf(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : null
}

/** What went wrong in a few words, lower case, without a full stop. Falls back to the code, then to the error's own text. */
export function errnoWords(error: unknown): string {
  const code = errnoOf(error)
  if (code !== null) return WORDS[code] ?? code
  return error instanceof Error ? error.message : String(error)
}
