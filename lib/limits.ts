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
/** Signature and signed part of a bundle: with hops and the longest age before them they fit a frame, however long they travel. */
export const BUNDLE_SEALED_BYTES_MAX: number = FRAME_BODY_BYTES_MAX - 1 - 8
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
/** Nodes that keep one current value for each of many topics of an origin have as many gaps between them. */
export const RANGES_PER_EPOCH_MAX = 4_096
export const RANGES_PER_ORIGIN_MAX = 16_384
export const RANGES_MAX = 262_144

// Repair (docs/protocol.md, "Repair")
/** The longest thing that cannot be parted: one epoch with as many ranges as may be, 18 bytes each, fits. */
export const HAVE_BYTES_MAX = 131_072
/** Work that one `have` may cost: more (origin, epoch) than fit a page that a sender should make. */
export const HAVE_ENTRIES_MAX = 4_096
/** 1,024 ranges, each of another origin, hardly fit. */
export const WANT_BYTES_MAX = 65_536
export const WANT_NUMBERS_MAX = 16_384
export const WANT_RANGES_MAX = 1_024
/** One answer: what a slow link of 1 Mbit/s carries in the time that its asker waits. */
export const ANSWER_BUNDLES_MAX = 256
export const ANSWER_BYTES_MAX = 1_048_576
/** The same over a link that carries as much in half that time; what is on its way does not leave the store too soon. */
export const FAST_ANSWER_BYTES_MAX = 4_194_304
/** Half of the time that an asker waits. */
export const CARRIED_MS = 5_000
/** What one neighbour may make us remember of its claims: an entry for each origin there may be, and two ranges for each. */
export const CLAIM_ENTRIES_MAX = 65_536
export const CLAIM_RANGES_MAX = 131_072
/** The same entries of all neighbours together, some 560 bytes each: four that claim all there may be. */
export const ALL_CLAIM_ENTRIES_MAX = 262_144

// Lazy links (docs/protocol.md, "Lazy links")
/** Trees in one `mode`: with the heads before them they fill its 32 bytes. */
export const MODE_TREES_MAX = 9
/** Trees that one link does not carry unasked, for each direction: more than there are origins in most networks, 100 bytes each. */
export const LAZY_TREES_MAX = 16_384
/** What a node must be able to keep to offer lazy links: what is only announced must still be there when it is asked for. */
export const LAZY_STORE_BYTES_MIN: number = 8 * 1_048_576
export const LAZY_STORE_AGE_MS_MIN = 10_000

// Direct messages (docs/protocol.md, "Direct messages")
/** What may be passed on to everybody when nobody knows the way: room for a command and its answer, not for a file. */
export const DIRECT_FLOOD_BYTES_MAX = 4_096
/** In any second, of what one neighbour brings and of our own: at most so much of each link goes into finding ways. */
export const DIRECT_FLOODS_PER_SECOND_MAX = 20
/** Envelopes handled once, and for how long: longer than any of them can travel. */
export const DIRECT_HANDLED_MAX = 65_536
export const DIRECT_HANDLED_MS = 120_000
/** Origins of which the way is remembered: as many as the seen cache knows. */
export const DIRECT_ROUTES_MAX = 65_536
export const DIRECT_ROUTE_MS = 600_000
/** Sources whose numbers are remembered against replay, and ranges of numbers: of one epoch, and in all. */
export const DIRECT_SOURCES_MAX = 65_536
export const DIRECT_EPOCHS_PER_SOURCE_MAX = 8
export const DIRECT_RANGES_PER_EPOCH_MAX = 256
export const DIRECT_RANGES_MAX = 262_144
/** What waits for an acknowledgement; our own messages and our replies are counted apart. */
export const DIRECT_WAITING_MAX = 4_096
export const DIRECT_WAITING_BYTES_MAX: number = 64 * 1_048_576
/** Requests of others that are being answered, and the bytes that came with them. */
export const DIRECT_REQUESTS_MAX = 1_024
export const DIRECT_REQUESTS_BYTES_MAX: number = 64 * 1_048_576
/** What a failed handler may say to the one who asked. */
export const DIRECT_ERROR_TEXT_BYTES_MAX = 1_024

// Connections that have not proven themselves
/** Handshakes at a time; those beyond wait for their turn. */
export const HALF_OPEN_MAX = 64
/** Handshakes that begin in one turn of the event loop: about 10 ms, so that a crowd does not hold up those who are in. */
export const HANDSHAKES_PER_TURN_MAX = 8
/** Connections that are not open yet, those that have said nothing included: a crowd that comes in one instant gets in. */
export const NEWCOMERS_MAX = 256
export const HALF_OPEN_PER_ADDRESS_MAX = 8
export const HANDSHAKE_TIMEOUT_MS = 5_000

// An open link
export const SOCKET_UNSENT_BYTES_MAX = 262_144
export const LINK_QUEUE_BYTES_MAX: number = 8 * 1_048_576
export const LINK_QUEUE_FRAMES_MAX = 16_384
/** Bytes that all neighbours together may be owed; one never more bundles than is left of it. */
export const ALL_QUEUES_BYTES_MAX: number = 64 * 1_048_576
export const WRITE_STALL_MS = 30_000
/** Work for one link before the others get their turn. */
export const FRAMES_PER_TURN_MAX = 64
export const TURN_MS_MAX = 10
/** How long a closing link may take to say goodbye, and a losing duplicate to be read to its end. */
export const GOODBYE_FLUSH_MS = 500
export const DUPLICATE_DRAIN_MS = 5_000

// Streams (docs/protocol.md, section 10)
export const PROTOCOL_NAME_BYTES_MAX = 64
/** Versions and alternatives that one `open` may offer; 16 names of 64 bytes fit its frame three times over. */
export const PROTOCOL_NAMES_MAX = 16
/** Both directions together. A guess: a proxy for a busy web page needs a hundred. */
export const STREAMS_PER_LINK_MAX = 1_000
/** Opens that one end may leave unanswered; beyond them the other refuses. */
export const STREAMS_OPENING_MAX = 64
/** Answers that an end must be ready to owe before it may call it a flood: what it owes is memory, about 300 bytes each. */
export const STREAM_ANSWERS_OWED_MAX = 1_000
export const STREAM_OPEN_TIMEOUT_MS = 10_000
/** First window of a stream: 5 MB/s at 50 ms, before it has grown. */
export const STREAM_WINDOW_BYTES = 262_144
/** First window where the windows of a link already come to LINK_WINDOWS_CROWDED_BYTES. */
export const STREAM_WINDOW_CROWDED_BYTES = 65_536
/** First window of the last newcomers: 1,000 of these fit what is kept free for them. */
export const STREAM_WINDOW_BYTES_MIN = 4_096
/** 160 MB/s at 50 ms: more than one core seals. */
export const STREAM_WINDOW_BYTES_MAX: number = 8 * 1_048_576
/** Sum of all windows of one link: what its other end can make us hold. */
export const LINK_WINDOWS_BYTES_MAX: number = 16 * 1_048_576
/** Up to here windows grow and newcomers get a full first window. */
export const LINK_WINDOWS_CROWDED_BYTES: number = 8 * 1_048_576
/** From the one above to this there is a first window of 64 KiB for each of 64 newcomers; the rest is for the last ones. */
export const LINK_WINDOWS_NEWCOMERS_BYTES: number = 12 * 1_048_576
/** Windows of all links together; beyond it each stream still gets the least window. */
export const ALL_WINDOWS_BYTES_MAX: number = 64 * 1_048_576

// The table of neighbours. Not on the wire: what one node holds and does, whatever it is told.
/** More at once would only make a slow resolver or a dead network slower; a full round of timeouts of 8 takes seconds. */
export const DIALS_MAX = 8
/** New dials to candidates in any second, so that false addresses make nobody a source of floods. */
export const CANDIDATE_DIALS_PER_SECOND_MAX = 2
/** Of the dials at once, those to peers that nobody here has met: black holes must not keep us from the others. */
export const UNTRIED_DIALS_MAX: number = DIALS_MAX - 2
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

// The address book. Not on the wire.
/** A thousand peers reach every part of a network again; each may cost its record's 2,560 bytes and a line in a file. */
export const BOOK_PEERS_MAX = 1_024
/** Peers kept by the word of one neighbour, so that sixteen liars are needed to fill the book. */
export const BOOK_PEERS_PER_TELLER_MAX = 64
/** A full book with records of the longest kind; what is longer was not written by us. */
export const BOOK_BYTES_MAX: number = 8 * 1_048_576

// Membership (docs/protocol.md, "Membership")
/** Neighbours that a node lists: twice what any node has unless its program raises `degree.max`. */
export const NODE_NEIGHBOURS_MAX = 128
/** A node record of the longest kind, 128 keys, name, agent and the CBOR around them, with room for keys to come. */
export const NODE_PAYLOAD_BYTES_MAX = 8_192
/** What a node tells of itself is forgotten after two hours, and told anew after one. */
export const NODE_TIME_TO_LIVE_S = 7_200
/** As many as the seen cache has origins. */
export const NODES_MAX = 65_536
/** Links of all nodes in the topology together: eight for each of 32,768; a made-up one costs its inventor 32 bytes, us 150. */
export const NODE_LINKS_MAX = 262_144
/** Links of one node that always have room: as many nodes as there may be fill the topology with them. */
export const NODE_LINKS_SHARE: number = NODE_LINKS_MAX / NODES_MAX

// Live delivery in each origin's order. Not on the wire.
/** Repair asks 200 ms after a claim and is answered within a round trip; longer nobody who wants live messages waits gladly. */
export const LIVE_ORDER_WAIT_MS = 500
/** Half a second of what one core verifies, for all origins together. */
export const LIVE_ORDER_BUNDLES_MAX = 1_024
export const LIVE_ORDER_BYTES_MAX: number = 8 * 1_048_576

// Checks of what comes in. Not on the wire.
/** Bundles that wait for the verdict of a check: at 50 ms each, 1,280 a second. */
export const CHECKED_BUNDLES_WAITING_MAX = 64
/** Room for a payload of the largest kind many times over. */
export const CHECKED_BYTES_WAITING_MAX: number = 16 * 1_048_576
