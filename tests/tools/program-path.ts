// Which program the tests run. From its sources it takes two seconds of processor time to start, so `run.js` has it built
// first and says where; a test file that is run by itself gets the sources.

import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url))

/** What `npm start` runs. */
export const FROM_SOURCES: string = join(CHECKOUT, 'cli/meshd.js')
/** What a user types. */
export const MESHD: string = process.env.MESHD_TEST_PROGRAM ?? FROM_SOURCES
