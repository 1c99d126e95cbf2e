// What a run listens to: the patterns of --topic and --subscribe, live or out of the store, as the settings say. A message
// that several patterns match is told once.

import { TopicPattern } from '../lib/flood/topics.ts'
import type { Message, SubscribeOptions, Subscription } from '../lib/types.ts'
import { UsageError } from './failures.ts'
import type { MeshNode } from './mode.ts'
import type { Settings } from './settings.ts'

type Told = (message: Message) => Promise<void> | undefined

/** Whether messages come out of the store, and so can be held back. */
export function readsStore({ since, durable, order }: Pick<Settings, 'since' | 'durable' | 'order'>): boolean {
  return since !== null || durable !== null || order === 'origin'
}

/** Throws UsageError where the settings ask for what cannot be together. */
export function listen(mesh: Pick<MeshNode, 'subscribe'>, settings: Settings, told: Told): Subscription[] {
  const patterns = [settings.topic, ...settings.subscribe].map((text) => new TopicPattern(text))
  return readsStore(settings) ? listenToStore(mesh, patterns, settings, told) : listenLive(mesh, patterns, told)
}

function listenLive(mesh: Pick<MeshNode, 'subscribe'>, patterns: readonly TopicPattern[], told: Told): Subscription[] {
  return patterns.map((pattern, i) => {
    const before = patterns.slice(0, i)
    return mesh.subscribe(pattern.text, (message) => {
      if (!before.some((earlier) => earlier.matches(message.topic))) void told(message)
    })
  })
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** One reader for all patterns, so that their messages come in one order and one offset stands for all of them. */
function listenToStore(
  mesh: Pick<MeshNode, 'subscribe'>,
  patterns: readonly TopicPattern[],
  { since, durable, order }: Settings,
  told: Told,
): Subscription[] {
  const [first, ...others] = patterns
  // `#` does not reach topics that begin with $.
  const apart = patterns.find(({ text }) => text.startsWith('$'))
  if (others.length > 0 && apart !== undefined) {
    const how = [
      ...(since === null ? [] : [`--since ${since}`]),
      ...(durable === null ? [] : [`--durable ${quoted(durable)}`]),
      ...(order === 'origin' ? ['--order origin'] : []),
    ].join(' ')
    throw new UsageError(
      `with ${how}, ${apart.text} cannot be read together with ${patterns.find((one) => one !== apart)!.text}; ` +
        `leave it out here, and ask the running node: meshd sub ${quoted(apart.text)} ${how}`,
    )
  }
  const options: SubscribeOptions = {
    order,
    ...(since === null ? {} : { since }),
    ...(durable === null ? {} : { durable, ack: 'manual' }),
  }
  const handler = (message: Message): Promise<void> | undefined => {
    if (patterns.some((pattern) => pattern.matches(message.topic))) return told(message)
    message.ack()
    return undefined
  }
  return [mesh.subscribe(others.length === 0 ? first!.text : '#', handler, options)]
}
