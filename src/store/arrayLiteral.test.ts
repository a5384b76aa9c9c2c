import fc from 'fast-check'
import { expect, test } from 'vitest'
import { freshDatabase } from '../../test/support/database.ts'
import { sql } from './db.ts'

test('what goes into the database as an array is what comes out', async () => {
  const db = await freshDatabase()
  const storable = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', ' ').toWellFormed())
  const text = fc.oneof(storable, fc.constantFrom('NULL', 'null', '', '{}', '\\', '"', 'a,b', ' '))
  const date = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(text)),
      fc.array(fc.option(fc.double({ noNaN: true }))),
      fc.array(fc.option(fc.maxSafeInteger())),
      fc.array(fc.option(date)),
      fc.array(fc.boolean()),
      fc.array(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
      async (texts, reals, ints, dates, bools, bytes) => {
        const row = await db.row(sql`
          select ${texts}::text[] as texts, ${reals}::float8[] as reals, ${ints}::bigint[]::text[] as ints,
                 ${dates}::timestamptz[] as dates, ${bools}::bool[] as bools, ${bytes}::bytea[] as bytes`)
        expect(row).toEqual({
          texts,
          reals: reals.map((x) => (x === 0 ? expect.closeTo(0) : x)),
          ints: ints.map((n) => (n === null ? null : String(n))),
          dates,
          bools,
          bytes,
        })
      },
    ),
    { numRuns: 200 },
  )
})
