// Which packets are worth decoding, by their header and size alone. The package behind multicast.ts makes room for all records
// that a header claims before it looks at the first one: 20 bytes that claim 262,140 cost ten milliseconds. RFC 1035 section 4.1.1,
// RFC 6762 section 17.

import type { RemoteInfo, Socket } from 'node:dgram'

const HEADER_BYTES = 12
/** A name of one byte, type and class; for a record time to live and length as well. */
const QUESTION_BYTES_MIN = 5
const RECORD_BYTES_MIN = 11
const PACKET_BYTES_MAX = 9_000
/** One Ethernet frame does not hold half of that. Each may have a name of 127 labels, by a pointer of two bytes. */
const ENTRIES_MAX = 256

/** Whether the bytes could be a packet with as many entries as it claims, and these are not too many. */
export function isPlausible(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES || bytes.length > PACKET_BYTES_MAX) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const questions = view.getUint16(4)
  const records = view.getUint16(6) + view.getUint16(8) + view.getUint16(10)
  if (questions + records > ENTRIES_MAX) return false
  return HEADER_BYTES + questions * QUESTION_BYTES_MIN + records * RECORD_BYTES_MIN <= bytes.length
}

/** The same socket, whose `message` listeners hear of nothing but what `isWanted`. */
export function screened(socket: Socket, isWanted: (bytes: Uint8Array, from: RemoteInfo) => boolean): Socket {
  const emit = socket.emit as (event: string, ...details: unknown[]) => boolean
  socket.emit = (event: string, ...details: unknown[]): boolean => {
    if (event === 'message' && !isWanted(details[0] as Uint8Array, details[1] as RemoteInfo)) return false
    return emit.call(socket, event, ...details)
  }
  return socket
}
