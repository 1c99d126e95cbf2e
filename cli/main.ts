// The command line: reads the arguments, runs the command, and turns what was thrown into one line and an exit code. The
// library is loaded only when a command needs it, so that help and mistakes are answered at once. docs/cli.md.

import { homedir, hostname } from 'node:os'
import { performance } from 'node:perf_hooks'
import { type ParsedLine, parseLine } from './command-line.ts'
import { codeOf, EXIT, exitCodeOf, Failure, failureLine, hasReaderLeft } from './failures.ts'
import type { Host, OutputStream } from './mode.ts'
import type { Machine } from './sources.ts'
import { standardInput, standardOutput } from './standard-streams.ts'

/** Runs the program with these arguments and ends the process. `version` is that of the package. */
export async function main(args: readonly string[], version: string): Promise<void> {
  let code: number
  let broken: Error | null = null
  const stdout = standardOutput()
  stdout.on('error', (error) => {
    // `meshd --help | head -1`: a reader that has seen enough is no failure. `run` listens too, and stops.
    if (!hasReaderLeft(error, stdout.isTTY === true)) broken ??= error
  })
  // Nobody is left to hear that standard error cannot be written, and what the command does is no worse for it.
  process.stderr.on('error', () => undefined)
  try {
    code = await obey(await parseLine(args, version, stdout.columns), version, stdout)
  } catch (error) {
    code = exitCodeOf(error)
    process.stderr.write(failureLine(error, wantsJson(args)))
  }
  // What went into a pipe may not have left yet, and that it never will is told a turn later.
  stdout.write('', () => setImmediate(() => process.exit(withOutput(code, broken, args))))
}

/** The exit code of a command that ended with `code`: what it should have printed and did not is not done. */
function withOutput(code: number, broken: Error | null, args: readonly string[]): number {
  if (broken === null || code !== EXIT.done) return code
  const failure = new Failure(codeOf(broken), `standard output failed: ${broken.message}`, { cause: broken })
  process.stderr.write(failureLine(failure, wantsJson(args)))
  return EXIT.failed
}

async function obey(line: ParsedLine, version: string, stdout: OutputStream): Promise<number> {
  if (line.kind === 'show') {
    stdout.write(`${line.text}\n`)
    return EXIT.done
  }
  switch (line.command) {
    case 'run': {
      const { settingsOf } = await import('./settings.ts')
      const settings = settingsOf(line.given, machine())
      const [{ run }, { Mesh }] = await Promise.all([import('./run.ts'), import('../lib/index.ts')])
      return run(settings, { ...host(version, stdout), makeMesh: (options) => new Mesh(options) })
    }
    case 'id': {
      const { settingsOf } = await import('./settings.ts')
      const settings = settingsOf(line.given, machine())
      const [{ id }, { nodeWorld }] = await Promise.all([import('./id.ts'), import('../lib/io/node.ts')])
      return id(settings, nodeWorld(), (text) => stdout.write(text))
    }
    default: {
      const [{ clientSettingsOf }, { perform }] = await Promise.all([
        import('./client/settings.ts'),
        import('./client/perform.ts'),
      ])
      return perform(line.command, clientSettingsOf(line.given, machine()), line.words, host(version, stdout))
    }
  }
}

function machine(): Machine {
  return {
    environment: process.env,
    platform: process.platform,
    hostName: hostname(),
    workingFolder: process.cwd(),
    homeFolder: homedir,
  }
}

function host(version: string, stdout: OutputStream): Omit<Host, 'makeMesh'> {
  return {
    stdin: standardInput(),
    stdout,
    stderr: process.stderr,
    signals: process,
    platform: process.platform,
    agent: `meshd/${version}`,
    nowMs: () => performance.now(),
    exit: (code) => process.exit(code),
  }
}

/** For an error that came before the settings were known: how it is to be said. */
function wantsJson(args: readonly string[]): boolean {
  return args.includes('--json') || ['1', 'true'].includes(process.env.MESHD_JSON ?? '')
}
