import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Asset, Monitor } from '../api/monitor.ts'
import { files } from './files.ts'

/** The built monitor, all of it in memory: less than a megabyte. */
export const readMonitor = async (): Promise<Monitor> => {
  const folder = path.dirname(files.monitor)
  const names = (await readdir(folder)).filter((name) => name.endsWith('.js') || name.endsWith('.css'))
  const read = async (name: string): Promise<[string, Asset]> => {
    const at = path.join(folder, name)
    const [gzip, brotli] = await Promise.all([readFile(`${at}.gz`), readFile(`${at}.br`)])
    return [name, { gzip, brotli }]
  }
  return { index: await readFile(files.monitor, 'utf8'), assets: new Map(await Promise.all(names.map(read))) }
}
