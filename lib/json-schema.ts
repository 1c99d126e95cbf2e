// A check for `mesh.validate` by JSON Schema: the payload must be JSON that fits. An entry of its own (`meshd/json-schema`), so
// that programs without schemas do not load a validator. docs/guide.md, "Checking what comes in".

import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { MeshError, reasonOf } from './errors.ts'
import type { CheckVerdict, Message } from './types.ts'

const DRAFT_7 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/

export interface JsonSchemaOptions {
  /** The verdict on what does not fit; default `reject`. Use `ignore` where not every node has the same check. */
  readonly otherwise?: 'ignore' | 'reject'
}

/**
 * Compiles `schema`: draft 2020-12, or draft-07 where its `$schema` says so. The check accepts messages whose payload is
 * UTF-8 and JSON that fits, and the removal of a retained value, which has no payload. Fetches nothing: a `$ref` must lead
 * to the schema itself. `format` is no check here and is refused, like any keyword that is not known. Throws MeshError
 * `bad-argument`.
 */
export function jsonSchema(
  schema: object | boolean,
  options: JsonSchemaOptions = {},
): (message: Message) => CheckVerdict {
  const { otherwise = 'reject' } = options
  if (otherwise !== 'ignore' && otherwise !== 'reject') {
    throw new MeshError('bad-argument', "otherwise must be 'ignore' or 'reject'")
  }
  const fits = compile(schema)
  // What is checked is to be what `message.json()` gives: a byte order mark is no JSON there either.
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  return ({ data, retained }) => {
    if (retained && data.length === 0) return 'accept'
    try {
      return fits(JSON.parse(decoder.decode(data))) ? 'accept' : otherwise
    } catch {
      // No UTF-8, no JSON, or nested so deep that a schema that refers to itself cannot follow it: it does not fit.
      return otherwise
    }
  }
}

function compile(schema: object | boolean): (value: unknown) => boolean {
  try {
    const isDraft7 = typeof schema === 'object' && DRAFT_7.test((schema as { $schema?: string }).$schema ?? '')
    const validate = new (isDraft7 ? Ajv : Ajv2020)({ logger: false }).compile(schema)
    if ('$async' in validate) throw new Error('$async schemas are not supported')
    return (value) => validate(value) === true
  } catch (cause) {
    throw new MeshError('bad-argument', `not a schema: ${reasonOf(cause)}`, { cause })
  }
}
