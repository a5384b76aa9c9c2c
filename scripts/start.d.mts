export const prepare: () => Promise<void>
