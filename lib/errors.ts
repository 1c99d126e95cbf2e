// What can go wrong, as one closed list. An error says first whose fault it is: `local` errors are thrown to the caller,
// `remote` ones end the session with that peer and nothing else. docs/errors.md explains each code to users.

/** Every error code, with whose fault it is. A test holds docs/errors.md against this table. */
export const ERROR_FAULTS = {
  'bad-option': 'local',
  'bad-argument': 'local',
  'bad-address': 'local',
  'bad-topic': 'local',
  'bad-peer-id': 'local',
  'bad-key': 'local',
  'key-file': 'local',
  'data-folder': 'local',
  'listen-failed': 'local',
  'not-running': 'local',
  'already-registered': 'local',
  'too-large': 'local',
  aborted: 'local',
  'timed-out': 'local',
  'dial-failed': 'local',
  'name-not-found': 'local',
  'self-connection': 'local',
  'already-connected': 'local',
  'too-many-neighbours': 'local',
  'too-many-handshakes': 'local',
  banned: 'local',
  shutdown: 'local',
  disconnected: 'local',
  'identity-in-use': 'local',
  'no-multicast': 'local',
  'too-many-streams': 'local',
  unreachable: 'local',
  'no-handler': 'local',
  'request-failed': 'local',
  'bad-preamble': 'remote',
  'bad-handshake': 'remote',
  'bad-identity': 'remote',
  'wrong-identity': 'remote',
  'handshake-timeout': 'remote',
  'bad-record': 'remote',
  'bad-frame': 'remote',
  'bad-cbor': 'remote',
  'bad-bundle': 'remote',
  'bad-peers': 'remote',
  'bad-stream': 'remote',
  'stream-reset': 'remote',
  'bad-direct': 'remote',
  'peer-silent': 'remote',
  'peer-stuck': 'remote',
  'peer-said-goodbye': 'remote',
  'connection-lost': 'remote',
} as const

export type Fault = 'local' | 'remote'
export type ErrorCode = keyof typeof ERROR_FAULTS

/** The one error class of this library. `message` never holds a secret or a payload. */
export class MeshError extends Error {
  override readonly name = 'MeshError'
  readonly code: ErrorCode
  /** `local`: the caller, this machine or our own limits; `remote`: what the other end sent or did. */
  readonly fault: Fault

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    const fault = ERROR_FAULTS[code]
    // Where in our code the other end's doing was noticed helps nobody, and a hostile one could have us write it down all day.
    // Nor does it help to know where a link was ended that was to be ended.
    const isStackless = fault === 'remote' || code === 'disconnected'
    const framesMax = Error.stackTraceLimit
    // It does nothing where intrinsics are frozen (node --frozen-intrinsics); an assignment would throw.
    if (isStackless) Reflect.set(Error, 'stackTraceLimit', 0)
    super(message, options)
    if (isStackless) Reflect.set(Error, 'stackTraceLimit', framesMax)
    this.code = code
    this.fault = fault
  }
}

/** The text of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Closes a `switch` over a union: it does not compile when a member was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
