import { useSyncExternalStore } from 'react'

/** A value outside of components that they can follow. */
export type Cell<T> = { read: () => T; write: (next: T) => void; subscribe: (listener: () => void) => () => void }

export const makeCell = <T>(initial: T): Cell<T> => {
  let value = initial
  const listeners = new Set<() => void>()
  return {
    read: () => value,
    write: (next) => {
      if (next === value) return
      value = next
      for (const listener of listeners) listener()
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** A word that the browser's storage keeps. */
export const makeStoredCell = (storage: Storage, key: string): Cell<string | null> => {
  const cell = makeCell(storage.getItem(key))
  const write = (next: string | null) => {
    if (next === null) storage.removeItem(key)
    else storage.setItem(key, next)
    cell.write(next)
  }
  return { ...cell, write }
}

export const useCell = <T>({ subscribe, read }: Cell<T>): T => useSyncExternalStore(subscribe, read)
