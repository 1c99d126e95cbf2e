// Every bound of the wire protocol in one place: what it protects, and where the number comes from.
// Sizes in bytes unless the name says otherwise. docs/protocol.md repeats those that a peer can notice.

/** Largest integer on the wire: the largest that a JavaScript number holds exactly. */
export const INTEGER_MAX: number = Number.MAX_SAFE_INTEGER

// Noise and records (Noise specification, section 3: a message is at most 65,535 bytes)
export const RECORD_BYTES_MAX = 65_535
export const TAG_BYTES = 16
export const RECORD_PLAIN_BYTES_MAX: number = RECORD_BYTES_MAX - TAG_BYTES
/** Each direction rekeys after the record whose nonce is 2^16 - 1 modulo 2^16. */
export const REKEY_EVERY_RECORDS = 65_536
/** A handshake record: three keys, tags and a small map need under 300; room for features to come. */
export const HANDSHAKE_RECORD_BYTES_MAX = 2_048
/** What one connection may make us hold before it is proven: preamble and one handshake record, with slack. */
export const UNPROVEN_BYTES_MAX = 4_096

// Frames
/** A bundle with one message of the largest payload, its topic and heads, fits. */
export const FRAME_BODY_BYTES_MAX: number = 1_048_576 + 65_536
export const ABOUT_BYTES_MAX = 4_096
export const GOODBYE_BYTES_MAX = 1_024
export const PEERS_BYTES_MAX = 65_536
export const CBOR_DEPTH_MAX = 6

// What a peer says about itself
export const FEATURES_MAX = 16
export const FEATURE_BYTES_MAX = 32
export const NAME_BYTES_MAX = 64
export const AGENT_BYTES_MAX = 64
export const LISTEN_ADDRESSES_MAX = 8
export const ADDRESS_BYTES_MAX = 256
export const PEERS_MAX = 32
export const CERTIFICATE_BYTES_MAX = 2_048

// Bundles
export const PAYLOAD_BYTES_MAX = 1_048_576
export const TOPIC_BYTES_MAX = 255
export const BUNDLE_MESSAGES_MAX = 1_024
/** Signed part of a bundle with more than one message. A bundle alone fits one record with its frame head. */
export const BUNDLE_BYTES_MAX = 65_536
export const HOPS_MAX = 32
/** Longest time-to-live of a retained message: 7 days. */
export const TIME_TO_LIVE_S_MAX: number = 7 * 24 * 3600

// The seen cache (docs/protocol.md, "Seen")
export const ORIGINS_MAX = 65_536
export const EPOCHS_PER_ORIGIN_MAX = 64
export const RANGES_PER_EPOCH_MAX = 256
export const RANGES_MAX = 262_144

// Connections that have not proven themselves
export const HALF_OPEN_MAX = 64
export const HALF_OPEN_PER_ADDRESS_MAX = 8
export const HANDSHAKE_TIMEOUT_MS = 5_000

// An open link
export const SOCKET_UNSENT_BYTES_MAX = 262_144
export const LINK_QUEUE_BYTES_MAX: number = 4 * 1_048_576
export const LINK_QUEUE_FRAMES_MAX = 16_384
/** Bytes that all neighbours together may be owed. */
export const ALL_QUEUES_BYTES_MAX: number = 64 * 1_048_576
export const WRITE_STALL_MS = 30_000
/** Work for one link before the others get their turn. */
export const FRAMES_PER_TURN_MAX = 64
export const TURN_MS_MAX = 10
/** How long a closing link may take to say goodbye, and a losing duplicate to be read to its end. */
export const GOODBYE_FLUSH_MS = 500
export const DUPLICATE_DRAIN_MS = 5_000
