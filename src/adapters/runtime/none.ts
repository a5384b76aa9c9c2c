import type { Runtime } from '../../ports/runtime.ts'

/** For a pilot that shall run no images: programs run on the machine as it is. */
export const noRuntime: Runtime = {
  name: 'none',
  needsAccount: false,
  refuses: () => 'this pilot runs no images (--runtime none)',
  fetch: () => null,
  start: ({ program, args, env, ownEnv }) => ({ program, args: [...args], env: { ...ownEnv, ...env } }),
}
