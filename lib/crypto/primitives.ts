// The cryptographic primitives that the protocol stands on, as one interface with three providers: `noble.ts` (portable, the
// reference), `native.ts` (node:crypto) and `sodium.ts` (libsodium, optional). All give the same answer on every input, the hostile ones included: if two
// honest nodes differed on one crafted signature, an attacker could make them cut each other off. docs/protocol.md section 2.

/** ChaCha20-Poly1305 under one key (RFC 8439); nonces are Noise's: 4 zero bytes, then the counter as 8 little-endian bytes. */
export interface Aead {
  /** Cipher text followed by its 16-byte tag, a new array. `nonce` 0 to 2^53 - 1. */
  seal(nonce: number, associatedData: Uint8Array, plain: Uint8Array): Uint8Array
  /**
   * The plain text as a new array, or null when the tag does not match or `sealed` is shorter than a tag. The caller sees to
   * its memory: `giveBack` or `bufferMade` of memory.ts, where these are many.
   */
  open(nonce: number, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | null
  /**
   * The record layer's form of `open`: writes the plain text into `into`, which has its length, with empty associated data. False
   * when the tag does not match; what `into` holds is then worth nothing.
   */
  openInto(nonce: number, sealed: Uint8Array, into: Uint8Array): boolean
  /**
   * The record layer's form of `seal`: writes cipher text and tag into `into` from `at` (room for plain.length + 16 is the
   * caller's duty), with empty associated data. Returns the offset behind the tag.
   */
  sealInto(nonce: number, plain: Uint8Array, into: Uint8Array, at: number): number
  /** Noise's REKEY: the cipher under the key that this one makes from 32 zero bytes with nonce 2^64 - 1. */
  rekeyed(): Aead
}

/** A private key that is ready to sign: whatever the provider needs to be fast. */
export interface Signer {
  readonly publicKey: Uint8Array
  /** 64 bytes, deterministic (RFC 8032). */
  sign(message: Uint8Array): Uint8Array
}

/** An X25519 private key that is ready to agree, as often as is wanted: whatever the provider needs to be fast. */
export interface X25519Pair {
  readonly publicKey: Uint8Array
  /** As `Primitives.x25519` with this private key. */
  agree(publicKey: Uint8Array): Uint8Array | null
}

export interface Primitives {
  sha256(data: Uint8Array): Uint8Array
  sha512(data: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array
  /** RFC 5869. `length` 1 to 8,160. */
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array
  /** RFC 7748 with clamping. Null when the result is all zero (a low-order public key). Keys are 32 bytes. */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | null
  x25519PublicKey(privateKey: Uint8Array): Uint8Array
  /** The private key is copied. */
  x25519Pair(privateKey: Uint8Array): X25519Pair
  /**
   * The X25519 key of an Ed25519 public key that may be an identity, 32 bytes: these are the 32 bytes that RFC 8032 writes for
   * a point on the curve (y below p, no sign on x = 0) which is not of small order and has no torsion part. Null for any other
   * bytes of any length. 40 to 100 microseconds, in the portable provider 1 ms: cache the answer.
   */
  acceptableX25519Key(publicKey: Uint8Array): Uint8Array | null
  /** `seed` is the 32-byte RFC 8032 private key. */
  ed25519Signer(seed: Uint8Array): Signer
  /**
   * True when S < L and the encoding of [S]B - [k]A equals R's bytes. Never throws: wrong lengths are false.
   * Whether A is an acceptable identity is `acceptableX25519Key`'s question.
   */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  aead(key: Uint8Array): Aead
}
