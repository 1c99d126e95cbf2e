// What a test that starts processes leaves behind is gone when it is over: first the processes, then the folders they write in.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const started = new WeakMap<TestContext, ChildProcess[]>()

export function killAtEnd(context: TestContext, child: ChildProcess): void {
  const children = started.get(context) ?? []
  started.set(context, [...children, child])
  context.after(() => kill(child))
}

/** A new folder for temporary files. */
export function temporaryFolder(context: TestContext, name: string): string {
  const path = mkdtempSync(join(tmpdir(), `meshd-${name}-`))
  context.after(async () => {
    await Promise.all((started.get(context) ?? []).map(kill))
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  })
  return path
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
