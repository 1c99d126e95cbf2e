// One known answer or a few for each primitive: cheap enough to ask at every start (a millisecond in all), pointed enough to
// notice a build of OpenSSL that lacks an algorithm or judges odd inputs in its own way. Not the tests: those are in tests/crypto.

import { EMPTY, equalBytes, fromHex, utf8 } from '../bytes.ts'
import type { Primitives } from './primitives.ts'

/** Those of `candidates` that give the known answers. One that throws counts as absent. */
export function answering(candidates: Partial<Primitives>): Partial<Primitives> {
  const found: Partial<Record<keyof Primitives, unknown>> = {}
  for (const name of Object.keys(KNOWN_ANSWERS) as (keyof Primitives)[]) {
    if (candidates[name] !== undefined && gives(KNOWN_ANSWERS[name], candidates as Primitives))
      found[name] = candidates[name]
  }
  return found as Partial<Primitives>
}

function gives(knownAnswer: (primitives: Primitives) => boolean, candidates: Primitives): boolean {
  try {
    return knownAnswer(candidates)
  } catch {
    // "Unknown cipher", "unsupported curve": whatever the words, this build cannot do it.
    return false
  }
}

const ABC = utf8('abc')
const COUNTING = Uint8Array.from({ length: 32 }, (_, i) => i)

// RFC 8032, section 7.1, test 1: a seed, its public key and its signature of the empty message; and that signature with L
// added to S, which changes nothing but the bytes.
const SEED = fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
const PUBLIC_KEY = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
const R = 'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155'
const SIGNATURE = fromHex(`${R}5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b`)
const SIGNATURE_WITH_GREAT_S = fromHex(`${R}4c8c7872aa064e049dbb3013fbf29380d25bf5f0595bbe24655141438e7a101b`)

// By the same key, of the empty message too: R has a component of order 8. It fulfils the equation times the cofactor only.
const SIGNATURE_WITH_TORSION = fromHex(
  '3ae334f1f10d80227ba991faa35eb63908b9a53f234a26910a3a1e64c05408a1' +
    '53cd65c49ae288a5beb1b228bebed825c2c9e52b1367653317050b522295d801',
)

/** Its R: not of small order, and refused as an identity. */
const POINT_WITH_TORSION = SIGNATURE_WITH_TORSION.subarray(0, 32)
/** No x belongs to y = 2. */
const NO_POINT = Uint8Array.of(2, ...new Uint8Array(31))

// The neutral element, as it should be written and in two ways in which it should not. With R the neutral element and S = 0
// every message verifies under all three: a build that checks more than the equation would differ from the portable provider.
const NEUTRAL = Uint8Array.of(1, ...new Uint8Array(31))
const NEUTRAL_WITH_SIGN = Uint8Array.of(1, ...new Uint8Array(30), 0x80)
const NEUTRAL_UNREDUCED = Uint8Array.of(0xee, ...new Uint8Array(30).fill(0xff), 0x7f)
const NEUTRAL_SIGNATURE = Uint8Array.of(1, ...new Uint8Array(63))

const KNOWN_ANSWERS: { readonly [name in keyof Primitives]: (primitives: Primitives) => boolean } = {
  sha256: ({ sha256 }) => is(sha256(ABC), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
  sha512: ({ sha512 }) => is(sha512(ABC).subarray(0, 16), 'ddaf35a193617abacc417349ae204131'),
  hmacSha256: ({ hmacSha256 }) =>
    is(hmacSha256(EMPTY, EMPTY), 'b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad'),
  // RFC 5869, appendix A.3.
  hkdfSha256: ({ hkdfSha256 }) =>
    is(
      hkdfSha256(new Uint8Array(22).fill(0x0b), EMPTY, EMPTY, 42),
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    ),
  x25519: ({ x25519 }) =>
    is(
      x25519(
        COUNTING,
        COUNTING.map((byte) => byte + 1),
      ) ?? EMPTY,
      'b902cf699c52ff0cd982a1b01be55bfd3e1438d8866f5ebbced4b34a43f9f16b',
    ) && x25519(COUNTING, NEUTRAL) === null,
  x25519PublicKey: ({ x25519PublicKey }) =>
    is(x25519PublicKey(COUNTING), '8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f'),
  x25519Pair({ x25519Pair }) {
    const { publicKey, agree } = x25519Pair(COUNTING)
    return (
      is(publicKey, '8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f') &&
      is(
        agree(COUNTING.map((byte) => byte + 1)) ?? EMPTY,
        'b902cf699c52ff0cd982a1b01be55bfd3e1438d8866f5ebbced4b34a43f9f16b',
      ) &&
      agree(NEUTRAL) === null
    )
  },
  acceptableX25519Key: ({ acceptableX25519Key }) =>
    is(acceptableX25519Key(PUBLIC_KEY) ?? EMPTY, 'd85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e') &&
    [NEUTRAL, NEUTRAL_WITH_SIGN, NEUTRAL_UNREDUCED, POINT_WITH_TORSION, NO_POINT].every(
      (bytes) => acceptableX25519Key(bytes) === null,
    ),
  ed25519Signer({ ed25519Signer }) {
    const signer = ed25519Signer(SEED)
    return equalBytes(signer.publicKey, PUBLIC_KEY) && equalBytes(signer.sign(EMPTY), SIGNATURE)
  },
  ed25519Verify: ({ ed25519Verify }) =>
    ed25519Verify(PUBLIC_KEY, EMPTY, SIGNATURE) &&
    !ed25519Verify(PUBLIC_KEY, ABC, SIGNATURE) &&
    !ed25519Verify(PUBLIC_KEY, EMPTY, SIGNATURE_WITH_GREAT_S) &&
    !ed25519Verify(PUBLIC_KEY, EMPTY, SIGNATURE_WITH_TORSION) &&
    ed25519Verify(NEUTRAL, ABC, NEUTRAL_SIGNATURE) &&
    ed25519Verify(NEUTRAL_WITH_SIGN, ABC, NEUTRAL_SIGNATURE) &&
    ed25519Verify(NEUTRAL_UNREDUCED, ABC, NEUTRAL_SIGNATURE),
  aead({ aead }) {
    const cipher = aead(COUNTING)
    const sealed = cipher.seal(7, ABC, ABC)
    const into = new Uint8Array(20)
    const opened = new Uint8Array(3)
    const end = cipher.sealInto(0x01_0203_0405, ABC, into, 1)
    return (
      is(sealed, '906de7af7137346c407e11808aa9f8ca8624e3') &&
      equalBytes(cipher.open(7, ABC, sealed) ?? EMPTY, ABC) &&
      cipher.open(7, EMPTY, sealed) === null &&
      cipher.openInto(0x01_0203_0405, into.subarray(1, end), opened) &&
      equalBytes(opened, ABC) &&
      !cipher.openInto(7, sealed, opened) &&
      is(into.subarray(1, end), '50e1696f18d18d953b10f1d93b2be5c97dbf9b') &&
      equalBytes(
        cipher.rekeyed().seal(0, EMPTY, ABC),
        aead(fromHex('50835543a205b22c9323f2022bc4f67d838f90e61d5ccf33c4513e01f85b5042')).seal(0, EMPTY, ABC),
      )
    )
  },
}

function is(bytes: Uint8Array, hex: string): boolean {
  return equalBytes(bytes, fromHex(hex))
}
