import { InvalidArgumentError, Option } from 'commander'

/** Options that several commands take. */

export const logLevelOption = (): Option =>
  new Option('--log-level <level>', 'debug, info, warn, error or silent (CULM_LOG; info)')

export const metricsPortOption = (): Option =>
  new Option('--metrics-port <n>', 'serve /metrics and /healthz on this port of 127.0.0.1').argParser(whole)

export const tracesOption = (): Option =>
  new Option('--traces <url>', 'send traces to this OpenTelemetry collector (OTEL_EXPORTER_OTLP_ENDPOINT)')

export const gpusOption = (): Option =>
  new Option(
    '--gpus <n>',
    'GPUs that jobs may have, each its own: those that are found when left out; 0 leaves them alone',
  ).argParser(wholeOrNone)

const wholeOrNone = (text: string): number => (text === '0' ? 0 : whole(text))

export const whole = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a whole number above 0')
  return Number(text)
}
