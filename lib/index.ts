// The public surface of the library. What is not exported here may change at any time.

export { ERROR_FAULTS, type ErrorCode, type Fault, MeshError } from './errors.ts'
export { type Codec, json, type TypedTopic } from './flood/typed-topic.ts'
export { type Address, formatAddress, parseAddress } from './identity/address.ts'
export { parseNetworkKey } from './identity/key-file.ts'
export { Mesh } from './mesh.ts'
export { DEFAULT_PORT, DEFAULTS, type MeshOptions, type ResolvedOptions } from './options.ts'
export type {
  AddressSource,
  MeshEvents,
  MeshStats,
  Message,
  MessageStream,
  NeighbourSnapshot,
  NeighbourState,
  Outcome,
  Receipt,
  Subscription,
} from './types.ts'
