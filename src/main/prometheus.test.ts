import { expect, test } from 'vitest'
import { counter, gauge, histogram } from '../lib/metrics.ts'
import { prometheus } from './prometheus.ts'

const linesOf = (text: string, name: string) => text.split('\n').filter((line) => line.startsWith(name))

test('counters and histograms are told as Prometheus reads them, a series for each set of labels', async () => {
  const { instruments, text } = prometheus({
    plain: counter('t_plain_total', 'Plain', []),
    kinds: counter('t_kinds_total', 'By kind', ['what', 'answer']),
    waits: histogram('t_wait_seconds', 'Waits', ['route'], [0.1, 1]),
  })
  instruments.kinds.add(2, 'finished', 'moved')
  instruments.kinds.add(1, 'finished', 'moved')
  instruments.kinds.add(1, 'fin', 'ished')
  for (const seconds of [0.05, 0.1, 0.5, 7]) instruments.waits.observe(seconds, 'a "b"')
  const told = await text()
  expect(linesOf(told, 't_plain_total')).toEqual(['t_plain_total 0'])
  expect(linesOf(told, 't_kinds_total')).toEqual([
    't_kinds_total{what="finished",answer="moved"} 3',
    't_kinds_total{what="fin",answer="ished"} 1',
  ])
  expect(linesOf(told, 't_wait_seconds')).toEqual([
    't_wait_seconds_bucket{route="a \\"b\\"",le="0.1"} 2',
    't_wait_seconds_bucket{route="a \\"b\\"",le="1"} 3',
    't_wait_seconds_bucket{route="a \\"b\\"",le="+Inf"} 4',
    't_wait_seconds_sum{route="a \\"b\\""} 7.65',
    't_wait_seconds_count{route="a \\"b\\""} 4',
  ])
  expect(told).toContain('# HELP t_wait_seconds Waits\n# TYPE t_wait_seconds histogram\n')
  expect(told).toMatch(/^nodejs_eventloop_lag_seconds /m)
})

test('gauges are read when someone asks, and one that fails is left out', async () => {
  const { instruments, text } = prometheus({
    good: gauge('t_good', 'Good', ['state']),
    bad: gauge('t_bad', 'Bad', []),
    unread: gauge('t_unread', 'Nobody reads it', []),
  })
  let n = 0
  instruments.good.readBy(async () => [[++n, 'online']])
  instruments.bad.readBy(() => {
    throw new Error('away')
  })
  expect(linesOf(await text(), 't_')).toEqual(['t_good{state="online"} 1'])
  expect(linesOf(await text(), 't_')).toEqual(['t_good{state="online"} 2'])
})
