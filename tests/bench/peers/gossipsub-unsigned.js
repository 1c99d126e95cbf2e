// js-libp2p gossipsub whose messages nobody signs: what is left of its cost without signatures.

import { openGossipsub } from './gossipsub.js'

/** @param {import('../peer.ts').PeerSetting} setting */
export function open({ listens }) {
  return openGossipsub(listens, 'StrictNoSign')
}
