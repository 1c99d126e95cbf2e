// Runs the checker Spin on a model: makes the verifier, compiles it, lets it visit every state, and reads what it prints.
// It knows nothing of what the model is about. docs/protocol.md, section 8.11.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** States take about 0.2 KB; what needs more than this is too large for a test. */
const MEMORY_MB_MAX = 900
const DEPTH_MAX = 1_000

/** `states`: assertions in every state and where nothing can happen. `cycles`: the same, and runs without an end. */
export type Search = 'states' | 'cycles'

export interface Outcome {
  /** The first error in the verifier's words, or null. */
  readonly error: string | null
  readonly states: number
  /** Whether the search ended by itself: within its bounds of memory and depth, without an error. */
  readonly isComplete: boolean
  /** Processes of which some statement was never executed; the ends of endless loops are left out. */
  readonly unreached: readonly string[]
}

/** Why models cannot be checked here, or false. */
export function lackingForSpin(): string | false {
  if (spawnSync('spin', ['-V']).status !== 0) return 'no spin'
  const compiled = spawnSync('gcc', ['-fsyntax-only', '-x', 'c', '-'], { input: '#include <stdio.h>\n' })
  return compiled.status === 0 ? false : 'no gcc with the headers of the C library'
}

/** `model` is an absolute path, `defines` are NAME or NAME=VALUE. Throws when the model does not compile. */
export function check(model: string, search: Search, defines: readonly string[]): Outcome {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-model-'))
  const run = (command: string, ...args: string[]): string => {
    const { status, signal, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' })
    if (error !== undefined) throw error
    if (status !== 0) throw new Error(`${command} ended with ${signal ?? status}: ${stdout}${stderr}`)
    return stdout
  }
  try {
    run('spin', '-a', ...defines.map((define) => `-D${define}`), model)
    const kind = search === 'states' ? ['-DSAFETY'] : ['-DNP', '-DNOFAIR']
    // Not optimised: compiling a verifier takes longer than running it.
    run('gcc', '-w', ...kind, `-DMEMLIM=${MEMORY_MB_MAX}`, '-o', 'pan', 'pan.c')
    const flags = search === 'states' ? [] : ['-l']
    return readOutcome(run(join(folder, 'pan'), ...flags, `-m${DEPTH_MAX}`, '-w22'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function readOutcome(printed: string): Outcome {
  const [, errors] = /errors: (\d+)/.exec(printed) ?? []
  const [, states] = /^ *([\d.e+]+) states, stored/m.exec(printed) ?? []
  if (errors === undefined || states === undefined) throw new Error(`not what a verifier prints: ${printed}`)
  const [, error] = /^pan:1: (.+) \(at depth \d+\)$/m.exec(printed) ?? []
  const unreached: string[] = []
  for (const [, name, listed] of printed.matchAll(/^unreached in (?:proctype )?(\w+)\n((?:\t.*\n)*)/gm)) {
    const statements = listed!.split('\n').filter((line) => /, state \d+, /.test(line) && !line.includes('"-end-"'))
    if (statements.length > 0) unreached.push(name!)
  }
  return {
    error: errors === '0' ? null : (error ?? 'not said'),
    states: Number(states),
    isComplete: errors === '0' && !/Search not completed|max search depth too small|reached -DMEMLIM/.test(printed),
    unreached,
  }
}
