// One call of `npm run bench` or `npm run bench:peers`: its command line, the runs peer by peer, the file with a line a run,
// and the pages that are written.

import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { MeshOptions } from '../../lib/index.ts'
import { Crew } from './crew.ts'
import { type Figures, summed } from './figures.ts'
import { describe, isOnPath, type Machine, ROOT, thisMachine } from './machine.ts'
import { KINDS, kindOf, type PeerKind } from './peer.ts'
import { betweenMarkers, type Cell } from './tables.ts'
import { flagsOf, processesOf, runPlan, WORKS, type Work, worksOf } from './works.ts'

/** A run that takes longer hangs. */
const RUN_MS_MAX = 300_000

export interface Session {
  /** As it can be typed. */
  readonly command: string
  readonly works: readonly Work[]
  readonly kinds: readonly PeerKind[]
  /** Why some of the peers are not in it, in words. */
  readonly skipped: readonly string[]
  readonly runs: number
  /** Of the full amount of each work. */
  readonly share: number
  readonly outFile: string
  readonly isWritten: boolean
  readonly meshOptions: MeshOptions
  readonly machine: Machine
}

export interface SessionDefaults {
  /** The script in package.json. */
  readonly script: string
  readonly works: readonly string[]
  readonly kinds: readonly string[]
}

const HELP = (
  script: string,
  kinds: readonly string[],
  works: readonly string[],
): string => `npm run ${script} -- [options]

  --only NAMES           works whose names begin so: ${works.join(',')}
  --peers NAMES          ${kinds.join(',')}
  --runs N               of each work and peer; medians are taken (default 3)
  --share N              of the amount of each work, to try things out (default 1)
  --out FILE             a line of JSON a run is added to it (default tests/bench/results/DATE.jsonl)
  --write                put the tables into the pages, between their markers
  --mesh-options JSON    for meshd, as {"flood":"eager"}`

/** Reads the command line. Ends the process with 0 after --help, with 2 when it makes no sense. */
export function sessionFrom(defaults: SessionDefaults): Session {
  const own = WORKS.filter(({ name }) => defaults.works.includes(name))
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      options: {
        only: text,
        peers: text,
        runs: text,
        share: text,
        out: text,
        'mesh-options': text,
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(HELP(defaults.script, defaults.kinds, defaults.works))
      process.exit()
    }
    const given = process.argv.slice(2).map((word) => (/^[\w.,:/=-]+$/.test(word) ? word : `'${word}'`))
    const kinds = (values.peers?.split(',') ?? defaults.kinds).map(kindOf)
    const skipped = kinds.map(obstacleTo).filter((text) => text !== null)
    const outFile = values.out ?? join(ROOT, `tests/bench/results/${new Date().toISOString().slice(0, 10)}.jsonl`)
    return {
      command: ['npm run', defaults.script, ...(given.length === 0 ? [] : ['--', ...given])].join(' '),
      works: worksOf(values.only?.split(',') ?? [], own),
      kinds: kinds.filter((kind) => obstacleTo(kind) === null),
      skipped,
      runs: positive('--runs', values.runs ?? '3'),
      share: positive('--share', values.share ?? '1'),
      outFile,
      isWritten: values.write,
      meshOptions: JSON.parse(values['mesh-options'] ?? '{}') as MeshOptions,
      machine: thisMachine(),
    }
  } catch (error) {
    console.error((error as Error).message)
    process.exit(2)
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${name} takes a number above 0`)
  return value
}

/** Why this machine cannot run it; null when it can. */
function obstacleTo({ title, program }: PeerKind): string | null {
  return program === undefined || isOnPath(program) ? null : `${title}: skipped, ${program} is not on the PATH.`
}

/** Runs everything; `kindsFor` can leave out peers of a work. A run that fails is told and recorded, and the others go on. */
export async function runAll(
  session: Session,
  versions: Readonly<Record<string, string>>,
  kindsFor: (work: Work) => readonly PeerKind[],
): Promise<Cell[]> {
  const folder = mkdtempSync(join(tmpdir(), 'meshd-bench-'))
  mkdirSync(dirname(session.outFile), { recursive: true })
  const cells: Cell[] = []
  try {
    const certificate = session.kinds.some(({ name }) => name === 'tls') ? makeCertificate(folder) : ''
    for (const work of session.works) {
      const results = new Map<PeerKind, Figures[]>(kindsFor(work).map((kind) => [kind, []]))
      // Turn about, so that a bad minute of the machine hits them all.
      for (let run = 1; run <= session.runs; run++) {
        for (const [kind, runs] of results) {
          const outcome = await runOnce(session, work, kind, certificate)
          if (!('problem' in outcome)) runs.push(outcome)
          const head = { date: new Date().toISOString(), work: work.name, peer: kind.name, run, ...outcome }
          const { share, meshOptions, machine } = session
          appendFileSync(session.outFile, `${JSON.stringify({ ...head, share, meshOptions, machine, versions })}\n`)
          console.error(`${work.name}, ${kind.title}, run ${run}: ${inShort(work, outcome)}`)
        }
      }
      for (const [kind, runs] of results) cells.push({ work, kind, runs, sum: runs.length === 0 ? null : summed(runs) })
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return cells
}

async function runOnce(
  { share, meshOptions }: Session,
  work: Work,
  kind: PeerKind,
  certificate: string,
): Promise<Figures | { problem: string }> {
  const full = work.plan(share)
  // Links are few: every peer can make all of them.
  const plan = 'streams' in full ? work.plan(share * kind.share) : full
  let crew: Crew | null = null
  const deadline = new AbortController()
  try {
    crew = await Crew.gather({ kind, processes: processesOf(plan), certificate, meshOptions, flags: flagsOf(plan) })
    return await Promise.race([runPlan(crew, plan), late(deadline.signal)])
  } catch (error) {
    return { problem: (error as Error).message }
  } finally {
    deadline.abort()
    await crew?.end()
  }
}

async function late(signal: AbortSignal): Promise<never> {
  await sleep(RUN_MS_MAX, undefined, { signal })
  throw new Error(`not over after ${RUN_MS_MAX / 1_000} s`)
}

function inShort(work: Work, outcome: Figures | { problem: string }): string {
  if ('problem' in outcome) return `failed: ${outcome.problem}`
  const main = work.main.flatMap(({ name, label, factor = 1 }) => {
    const value = outcome[name]
    return value === undefined ? [] : [`${(value * factor).toPrecision(3)} ${label}`]
  })
  return [...main, ...((outcome.lost ?? 0) > 0 ? [`${outcome.lost} lost`] : [])].join(', ')
}

/** Key and certificate in one file. Throws Error when openssl fails. */
function makeCertificate(folder: string): string {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const request = ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-days', '2', '-subj', '/CN=bench']
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  writeFileSync(certificate, readFileSync(key, 'utf8') + readFileSync(certificate, 'utf8'))
  return certificate
}

/** The lines that have to stand with a table, for whoever wants to do the same. */
export function circumstances(
  session: Session,
  cells: readonly Cell[],
  versions: Readonly<Record<string, string>>,
): string {
  const others = cells.flatMap(({ runs }) =>
    runs.map(({ otherCores }) => otherCores).filter((cores) => cores !== undefined),
  )
  const lines = [
    `${new Date().toISOString().slice(0, 10)}, \`${session.command}\`; medians of ${session.runs}.`,
    `${describe(session.machine)}.`,
    ...(Object.keys(versions).length === 0
      ? []
      : [
          `${Object.entries(versions)
            .map((pair) => pair.join(' '))
            .join(', ')}.`,
        ]),
    others.length === 0
      ? 'What else the machine did meanwhile is not known here.'
      : `Other processes used up to ${Math.max(...others).toFixed(2)} cores during a run.`,
  ]
  lines.push(...session.skipped)
  const fewer = KINDS.filter((kind) => kind.share < 1 && cells.some((cell) => cell.kind === kind))
  if (fewer.length > 0) {
    lines.push(
      `Fewer messages: ${fewer.map(({ title, share }) => `${title} ${Number((share * 100).toPrecision(2))} %`).join(', ')}.`,
    )
  }
  return lines.join('\n')
}

/** Puts `text` between the markers `name` of a page. */
export function writePage(path: string, name: string, text: string): void {
  const file = join(ROOT, path)
  writeFileSync(file, betweenMarkers(readFileSync(file, 'utf8'), name, text))
  console.error(`written: ${path}`)
}
