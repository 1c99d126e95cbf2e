// Who dials whom: a random regular graph, the same for the same seed, so that every peer floods over the same links.

export type Edge = readonly [from: number, to: number]

/**
 * Edges of a connected graph of `nodes` nodes with `degree` links each, at most one between two. Throws Error when there is
 * none: `degree` at `nodes` or above, or an odd number of ends.
 */
export function regularGraph(nodes: number, degree: number, seed: number): Edge[] {
  if (degree < 1 || degree >= nodes || (nodes * degree) % 2 === 1) {
    throw new Error(`no graph of ${nodes} nodes with ${degree} links each`)
  }
  const random = randomFrom(seed)
  const edges = ring(nodes, degree)
  // Two edges swap their ends, again and again: every node keeps its degree, and the ring is soon forgotten.
  for (let i = 0; i < 20 * edges.length; i++) {
    const one = Math.floor(random() * edges.length)
    const other = Math.floor(random() * edges.length)
    const [a, b] = edges[one]!
    const [c, d] = edges[other]!
    if (new Set([a, b, c, d]).size < 4 || joins(edges, a, d) || joins(edges, c, b)) continue
    edges[one] = [a, d]
    edges[other] = [c, b]
    if (!isConnected(nodes, edges)) {
      edges[one] = [a, b]
      edges[other] = [c, d]
    }
  }
  return edges
}

/** Each node with its nearest on a ring, on both sides, and with the one opposite when `degree` is odd. */
function ring(nodes: number, degree: number): Edge[] {
  const edges: Edge[] = []
  for (let far = 1; far <= degree / 2; far++) {
    for (let node = 0; node < nodes; node++) edges.push([node, (node + far) % nodes])
  }
  if (degree % 2 === 1) for (let node = 0; node < nodes / 2; node++) edges.push([node, node + nodes / 2])
  return edges
}

function joins(edges: readonly Edge[], one: number, other: number): boolean {
  return edges.some(([a, b]) => (a === one && b === other) || (a === other && b === one))
}

export function isConnected(nodes: number, edges: readonly Edge[]): boolean {
  const reached = new Set([0])
  for (let before = 0; before < reached.size; ) {
    before = reached.size
    for (const [a, b] of edges) {
      if (reached.has(a)) reached.add(b)
      else if (reached.has(b)) reached.add(a)
    }
  }
  return reached.size === nodes
}

/** Numbers from 0 up to 1, by a linear congruence: good enough to shuffle. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
