// The pages of memory that will be written to soon, asked of the system many at a time. Otherwise each first touch of a page of
// new memory is a fault of its own; on a virtual machine whose host keeps the page tables that costs twice as much
// (docs/decisions/0016-cold-code.md). Node offers no call for it. libsodium's two for secrets together are one: locking makes all
// pages real, and unlocking, which clears them, leaves them so. Where libsodium is not installed, or a process may lock nothing,
// everything works as without.

import { createRequire } from 'node:module'

/** Of sodium-native's native part; each answers other than 0 when it fails. */
export interface PageBinding {
  sodium_mlock(bytes: Uint8Array): number
  sodium_munlock(bytes: Uint8Array): number
}

function load(): Partial<PageBinding> | null {
  try {
    return createRequire(import.meta.url)('sodium-native/binding.js') as Partial<PageBinding>
  } catch {
    // Not installed, or not for this system.
    return null
  }
}

/** `makePages` by that binding; by nothing where it is null or lacks a function. */
export function pageMaker(binding: Partial<PageBinding> | null): (bytes: Uint8Array) => boolean {
  let usable =
    binding?.sodium_mlock !== undefined && binding.sodium_munlock !== undefined ? (binding as PageBinding) : null
  return (bytes) => {
    if (usable === null) return false
    const isLocked = usable.sodium_mlock(bytes) === 0
    // Also when that failed: a part may be locked.
    const isUnlocked = usable.sodium_munlock(bytes) === 0
    // A process may lock some megabytes, or nothing (RLIMIT_MEMLOCK).
    if (!isLocked || !isUnlocked) usable = null
    return isLocked && isUnlocked
  }
}

/**
 * Makes the pages of `bytes` real, which nobody has written to yet: all are 0 afterwards. False: it could not be done, and is not
 * tried again; then each page becomes real when it is written to. On Linux alone, where it was measured.
 */
export const makePages: (bytes: Uint8Array) => boolean = pageMaker(process.platform === 'linux' ? load() : null)
