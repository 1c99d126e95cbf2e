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
/** Work and memory that one message may cost once decoded; a guess, far above what any message of version 1 holds. */
export const CBOR_ITEMS_MAX = 65_536
/** Keys whose hashes collide can be computed, and make a Map quadratic: 30,000 of them blocked it for 0.9 s, 64 cannot matter. */
export const CBOR_MAP_ENTRIES_MAX = 64

// What a peer says about itself
export const FEATURES_MAX = 16
export const FEATURE_BYTES_MAX = 32
export const NAME_BYTES_MAX = 64
export const AGENT_BYTES_MAX = 64
export const LISTEN_ADDRESSES_MAX = 8
export const ADDRESS_BYTES_MAX = 256
export const PEERS_MAX = 32
/** A node record: eight addresses of the longest kind, its key, its signature, and the CBOR around them. */
export const NODE_RECORD_BYTES_MAX = 2_560
export const CERTIFICATE_BYTES_MAX = 2_048

// Bundles
export const PAYLOAD_BYTES_MAX = 1_048_576
export const TOPIC_BYTES_MAX = 255
export const BUNDLE_MESSAGES_MAX = 1_024
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

// The table of neighbours. Not on the wire: what one node holds and does, whatever it is told.
/** More at once would only make a slow resolver or a dead network slower; a full round of timeouts of 8 takes seconds. */
export const DIALS_MAX = 8
/** New dials to candidates in any second, so that false addresses make nobody a source of floods. */
export const CANDIDATE_DIALS_PER_SECOND_MAX = 2
export const CANDIDATES_MAX = 256
/** Candidates kept by the word of one neighbour, so that four liars are needed to fill the table. */
export const CANDIDATES_PER_TELLER_MAX = 64
export const CANDIDATE_FAILURES_MAX = 5
/** Seeds (1,024 by their option) and as many addresses that a program connects to. */
export const ASKED_TARGETS_MAX = 2_048
export const CONNECTS_WAITING_MAX = 1_024
/** Peers that the program disconnected from and that we do not choose again by ourselves. */
export const UNWANTED_PEERS_MAX = 256
export const BAN_ENTRIES_MAX = 1_024
