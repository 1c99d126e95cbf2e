// The public surface of the library. What is not exported here may change at any time.

export type { DirectMessage, MessageHandler, RequestHandler } from './direct/handlers.ts'
export { ERROR_FAULTS, type ErrorCode, type Fault, MeshError } from './errors.ts'
export type { TopicCount } from './flood/topic-counts.ts'
export { type Codec, json, type TypedTopic } from './flood/typed-topic.ts'
export { type Address, formatAddress, parseAddress } from './identity/address.ts'
export { parseNetworkKey } from './identity/key-file.ts'
export { Mesh } from './mesh.ts'
export { DEFAULT_PORT, DEFAULTS, type MeshOptions, type ResolvedOptions } from './options.ts'
export { MeshStream } from './streams/duplex.ts'
export type { StreamHandler } from './streams/registry.ts'
export { StreamResetCode, StreamResetError } from './streams/reset-codes.ts'
export type {
  AddressSource,
  Check,
  CheckVerdict,
  MeshEvents,
  MeshStats,
  Message,
  MessageStream,
  NeighbourSnapshot,
  NeighbourState,
  NodeSnapshot,
  Outcome,
  PublishOptions,
  Receipt,
  SubscribeOptions,
  Subscription,
  ValidateOptions,
} from './types.ts'
