// What the node tells of itself: status, neighbours, nodes and topics. Snapshots; changes nothing. docs/api.md, "Status".

import type { ServerResponse } from 'node:http'
import { answerJson, answerList } from './answers.ts'
import type { ApiCall } from './node.ts'

export async function status({ context }: ApiCall, response: ServerResponse): Promise<void> {
  const { node, facts, startedAtMs } = context
  const stats = node.stats()
  answerJson(response, {
    id: node.id,
    ...facts,
    addresses: node.addresses,
    pid: process.pid,
    startedAtMs,
    upMs: Math.max(0, Date.now() - startedAtMs),
    neighbours: stats.neighbours,
    nodes: stats.nodes,
    stats,
  })
}

export function peers({ context }: ApiCall, response: ServerResponse): Promise<void> {
  return answerList(response, 'peers', context.node.neighbours())
}

export function nodes({ context }: ApiCall, response: ServerResponse): Promise<void> {
  return answerList(response, 'nodes', context.node.nodes())
}

export function topics({ context }: ApiCall, response: ServerResponse): Promise<void> {
  return answerList(response, 'topics', context.node.topics())
}
