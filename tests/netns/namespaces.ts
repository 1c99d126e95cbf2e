// Network namespaces on one bridge: real networks of one machine, apart from the machine's own. Needs root and `ip`.
// For tests that use multicast or cut cables; each has a bridge of its own in a namespace of its own.

import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'

export interface Namespace {
  /** As `ip netns` knows it. */
  readonly name: string
  readonly ip4: string
  /** Null where this machine has no IPv6. */
  readonly ip6: string | null
  /** Starts a program inside. It, and whatever it starts, is killed by `cleanup` if it still runs then. */
  spawn(command: string, parameters: readonly string[], options?: SpawnOptions): ChildProcess
  /** Runs a program inside to its end; its standard output. Throws when it fails. */
  run(command: string, ...parameters: string[]): string
  /** Takes the cable to the bridge away, or puts it back. */
  setCable(connected: boolean): void
}

export interface Namespaces extends Disposable {
  /** Each has `lo`, and `eth0` with 10.77.0.N/24 and fd77::N/64, N from 1. */
  readonly all: readonly Namespace[]
  /** Isolated ends reach nobody who is isolated as well: a clean cut between groups. */
  setIsolated(namespace: Namespace, isolated: boolean): void
  /** Kills what runs inside and removes everything. May be called twice. */
  cleanup(): void
}

/** Why namespaces cannot be used here, as a test's `skip` option; false where they can. */
export function skipWithoutNamespaces(): string | false {
  if (process.platform !== 'linux') return 'no network namespaces: not Linux'
  if (process.getuid?.() !== 0) return 'no network namespaces: not root'
  const name = `meshd-${process.pid}-try`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' })
    execFileSync('ip', ['netns', 'del', name], { stdio: 'pipe' })
    return false
  } catch (error) {
    return `no network namespaces: ${(error as Error).message.split('\n')[0]}`
  }
}

let made = 0

/** A bridge and `count` namespaces on it, up and reachable from each other. Use with `using`, or call `cleanup`. */
export function createNamespaces(count: number): Namespaces {
  const prefix = `meshd-${process.pid}-${made++}`
  const bridge = `${prefix}-bridge`
  const names = Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`)
  const hasIp6 = existsSync('/proc/net/if_inet6')

  function removeAll(): void {
    process.off('exit', removeAll)
    process.off('SIGTERM', endBySignal)
    process.off('SIGINT', endBySignal)
    for (const name of [...names, bridge].filter((one) => existsSync(`/run/netns/${one}`))) {
      // A program's own children may have outlived it, and would keep the namespace alive without its name.
      for (const pid of ip('netns', 'pids', name).split('\n').filter(Boolean)) kill(Number(pid))
      ip('netns', 'del', name)
    }
  }
  // A test that is stopped from outside must not leave networks behind either.
  process.on('exit', removeAll)
  process.on('SIGTERM', endBySignal)
  process.on('SIGINT', endBySignal)

  try {
    // The bridge has a namespace of its own: firewall rules of the machine, and its mDNS, stay out of it.
    ip('netns', 'add', bridge)
    ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0')
    ip('-n', bridge, 'link', 'set', 'br0', 'up')
    for (const [i, name] of names.entries()) {
      ip('netns', 'add', name)
      ip('-n', name, 'link', 'set', 'lo', 'up')
      ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', `port${i + 1}`, 'netns', bridge)
      ip('-n', bridge, 'link', 'set', `port${i + 1}`, 'master', 'br0', 'up')
      // `nodad`: the address is usable at once instead of after the check for duplicates.
      ip('-n', name, 'addr', 'add', `10.77.0.${i + 1}/24`, 'dev', 'eth0')
      if (hasIp6) ip('-n', name, '-6', 'addr', 'add', `fd77::${i + 1}/64`, 'dev', 'eth0', 'nodad')
      ip('-n', name, 'link', 'set', 'eth0', 'up')
    }
  } catch (error) {
    removeAll()
    throw error
  }

  const all = names.map((name, i): Namespace => {
    return {
      name,
      ip4: `10.77.0.${i + 1}`,
      ip6: hasIp6 ? `fd77::${i + 1}` : null,
      spawn(command, parameters, options = {}) {
        return spawn('ip', ['netns', 'exec', name, command, ...parameters], options)
      },
      run(command, ...parameters) {
        return ip('netns', 'exec', name, command, ...parameters)
      },
      setCable(connected) {
        ip('-n', bridge, 'link', 'set', `port${i + 1}`, connected ? 'up' : 'down')
      },
    }
  })

  return {
    all,
    setIsolated(namespace, isolated) {
      const port = `port${all.indexOf(namespace) + 1}`
      ip('netns', 'exec', bridge, 'bridge', 'link', 'set', 'dev', port, 'isolated', isolated ? 'on' : 'off')
    },
    cleanup: removeAll,
    [Symbol.dispose]: removeAll,
  }
}

function endBySignal(): void {
  process.exit(1)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // It may have ended by itself just now.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function ip(...parameters: string[]): string {
  return execFileSync('ip', parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
