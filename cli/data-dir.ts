// Which folder a node keeps its things in, as the settings say: what `run` makes and what the commands that talk to a running
// node look into. Reads no disk. docs/cli.md, "Settings".

import { join, posix, resolve } from 'node:path'
import { UsageError } from './failures.ts'
import type { Found, Machine } from './sources.ts'

/** An absolute path, or null when nothing is to be kept. Throws UsageError. */
export function dataDirOf(
  dataDir: Found<string> | null,
  ephemeral: Found<boolean> | null,
  machine: Machine,
): string | null {
  if (ephemeral?.value === true) {
    if (dataDir === null || ephemeral.rank < dataDir.rank) return null
    if (dataDir.rank === ephemeral.rank) {
      throw new UsageError(`${dataDir.from} and ${ephemeral.from} exclude each other; give one of them`)
    }
  }
  return pathOf(dataDir) ?? defaultDataDir(machine)
}

/** What the platform keeps programs' data in. Throws UsageError where there is no home folder. */
export function defaultDataDir({ environment, platform, homeFolder }: Machine): string {
  const home = (): string => {
    try {
      return homeFolder()
    } catch (cause) {
      throw new UsageError('this account has no home folder; say --data-dir DIR, or --ephemeral to keep nothing', {
        cause,
      })
    }
  }
  if (platform === 'win32') return join(environment.LOCALAPPDATA || join(home(), 'AppData', 'Local'), 'meshd')
  if (platform === 'darwin') return join(home(), 'Library', 'Application Support', 'meshd')
  // The XDG base directory specification: a relative path is to be ignored.
  const data = environment.XDG_DATA_HOME ?? ''
  return posix.isAbsolute(data) ? join(data, 'meshd') : join(home(), '.local', 'share', 'meshd')
}

/** An absolute path; null where none was given. Throws UsageError for an empty one. */
export function pathOf(found: Found<string> | null): string | null {
  if (found === null) return null
  if (found.value === '') throw new UsageError(`${found.from} is empty; it must name a path`)
  return resolve(found.folder, found.value)
}
