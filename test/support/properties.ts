/**
 * Where a change is judged (CI), property tests try the same cases each time: what is red then is likely to be the change's doing. By hand they try others each
 * time, and print the seed of what failed.
 */
if (process.env.CI) {
  const { default: fc } = await import('fast-check')
  fc.configureGlobal({ seed: 1 })
}

export {}
