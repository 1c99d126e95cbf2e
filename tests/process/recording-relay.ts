// A node that writes down every frame that reaches it, as it stands once the link's own encryption is taken off: what whoever
// runs a relay can see. Arguments: the file, the address to listen on, and its seed. Tells what happens as `meshd run --json` does.
//
// The program and the library have no such thing: here the reader of frames is replaced, in this process alone.

import { openSync, writeSync } from 'node:fs'
import { type Frame, FrameReader } from '../../lib/framing/frames.ts'
import { Mesh } from '../../lib/index.ts'

const [path, address, seed] = process.argv.slice(2)
const file = openSync(path!, 'w', 0o600)

const next = FrameReader.prototype.next
FrameReader.prototype.next = function (this: FrameReader): Frame | null {
  const frame = next.call(this)
  if (frame !== null) {
    const head = Buffer.alloc(5)
    head[0] = frame.type
    head.writeUInt32BE(frame.body.length, 1)
    writeSync(file, Buffer.concat([head, frame.body]))
  }
  return frame
}

const mesh = new Mesh({ listen: [address!], seeds: [seed!], mdns: false, degree: { target: 0 } })
mesh.on('neighbourUp', ({ peer }) => console.log(JSON.stringify({ event: 'neighbour-up', peer })))
await mesh.start()
console.log(JSON.stringify({ event: 'listening', id: mesh.id, addresses: mesh.addresses }))
