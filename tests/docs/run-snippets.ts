// Runs the modules named as arguments one after the other in this process, and tells on standard output, one JSON object a
// line, what each printed. A child process of guide.test.ts; it must end by itself once all have run.

import { pathToFileURL } from 'node:url'
import { formatWithOptions } from 'node:util'

for (const path of process.argv.slice(2)) {
  const printed: string[] = []
  console.log = (...values: unknown[]): void => {
    printed.push(formatWithOptions({ colors: false }, ...values))
  }
  let error: string | null = null
  try {
    await import(pathToFileURL(path).href)
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  }
  process.stdout.write(`${JSON.stringify({ path, printed: printed.join('\n'), error })}\n`)
}
