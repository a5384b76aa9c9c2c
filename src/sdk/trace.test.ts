import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { afterEach, expect, test } from 'vitest'
import { currentTrace } from './trace.ts'

const outer = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 0 }

/** What the SDKs of OpenTelemetry register: a context that follows the program's own. */
const register = () => {
  const contexts = new AsyncLocalStorage<Context>()
  const manager = {
    active: () => contexts.getStore() ?? ROOT_CONTEXT,
    with: (active: Context, act: (...args: unknown[]) => unknown, self: unknown, ...args: unknown[]) =>
      contexts.run(active, () => act.apply(self, args)),
    bind: <T>(_: Context, target: T) => target,
    enable: () => manager,
    disable: () => manager,
  }
  context.setGlobalContextManager(manager as never)
}

afterEach(() => {
  context.disable()
  delete process.env.TRACEPARENT
})

test('outside any trace there is none', () => {
  expect(currentTrace()).toBeUndefined()
})

test('the program’s active span is the one, also after an await', async () => {
  register()
  const seen = await context.with(trace.setSpanContext(ROOT_CONTEXT, span), async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return currentTrace()
  })
  expect(seen).toBe(`00-${span.traceId}-${span.spanId}-00`)
  expect(currentTrace()).toBeUndefined()
})

test('a program without a span of its own is in the trace that its environment names', () => {
  process.env.TRACEPARENT = outer
  expect(currentTrace()).toBe(outer)
  register()
  expect(currentTrace()).toBe(outer)
  process.env.TRACEPARENT = 'nonsense'
  expect(currentTrace()).toBeUndefined()
})
