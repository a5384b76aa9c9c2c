/** The lines of an error's stack below its message, each with its line break before it. */
export const stackLines = (error: Error): string => {
  const stack = error.stack ?? ''
  const first = stack.search(/\n\s+at /)
  return first < 0 ? '' : stack.slice(first)
}
