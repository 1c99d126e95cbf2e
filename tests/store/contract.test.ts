// Both stores keep the same promises.

import { storeContract } from './contract.ts'
import { STORE_KINDS } from './harness.ts'

for (const kind of STORE_KINDS) storeContract(kind)
