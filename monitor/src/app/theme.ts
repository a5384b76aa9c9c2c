import { makeStoredCell, useCell } from '../api/cell.ts'

/** Light or dark as the system has it, until somebody says otherwise. */
export type Theme = 'system' | 'light' | 'dark'

const stored = makeStoredCell(localStorage, 'culm.theme')

export const applyTheme = () => {
  const set = () => {
    document.documentElement.dataset.theme = stored.read() ?? 'system'
    dispatchEvent(new Event('themechange'))
  }
  stored.subscribe(set)
  set()
}

export const useTheme = () => (useCell(stored) ?? 'system') as Theme

export const nextTheme = () => {
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches
  const turns = {
    system: isDark ? 'light' : 'dark',
    light: isDark ? null : 'dark',
    dark: isDark ? 'light' : null,
  } as const
  stored.write(turns[(stored.read() ?? 'system') as Theme])
}
