// Which names a received file may have: a name and never a path, on any system, in any terminal. Pure.

import { printable } from '../printable.ts'
import { Refusal } from './messages.ts'

/** With ` (999)` it still fits the 255 bytes that file systems allow. */
export const FILE_NAME_BYTES_MAX = 240
/** Files of one name that are kept apart by a number behind it. */
export const NUMBERED_MAX = 999

/** What Windows, or a shell there, takes for something else than a part of a name. */
const FORBIDDEN = /[/\\<>:"|?*]/
/** Devices on Windows, whatever follows the first dot. */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)/i

/** Throws Refusal `bad-name` with what is wrong; the text can be shown. */
export function checkFileName(name: string): void {
  const wrong = wrongOf(name)
  if (wrong !== null) throw new Refusal('bad-name', `the name ${wrong}; send it under another one: PEER:NAME`)
}

/** `report (2).txt` for `report.txt` and 2; the name itself for 0. */
export function numbered(name: string, number: number): string {
  if (number === 0) return name
  const dot = name.lastIndexOf('.')
  const stem = dot <= 0 ? name : name.slice(0, dot)
  return `${stem} (${number})${name.slice(stem.length)}`
}

function wrongOf(name: string): string | null {
  if (name === '') return 'is empty'
  if (!name.isWellFormed() || Buffer.byteLength(name) > FILE_NAME_BYTES_MAX) {
    return `is not text of at most ${FILE_NAME_BYTES_MAX} bytes`
  }
  if (FORBIDDEN.test(name)) return 'has one of / \\ < > : " | ? *'
  if (printable(name) !== name) return 'has characters that cannot be shown'
  if (name.startsWith('.')) return 'begins with a dot'
  if (/^\s|[\s.]$/.test(name)) return 'begins with a space, or ends with a space or a dot'
  if (DEVICE.test(name)) return 'is that of a device on Windows'
  return null
}
