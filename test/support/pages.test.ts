import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { files } from '../../src/main/files.ts'
import { headingsOf, linksOf, pagesIn, textOf } from './pages.ts'

const atTop = (await readdir(files.root)).filter((name) => name.endsWith('.md'))
const below = await Promise.all(['bench', 'docs', 'examples', 'python'].map(pagesIn))
const pages = [...atTop, ...below.flat()]

/** What is wrong with a link, or null. */
const problemOf = async (page: string, link: string): Promise<string | null> => {
  const [target = '', heading] = decodeURI(link).split('#')
  const file = target === '' ? page : path.join(path.dirname(page), target)
  if (!existsSync(path.join(files.root, file))) return `${page}: ${link} leads to no file`
  if (heading === undefined || headingsOf(await textOf(file)).includes(heading)) return null
  return `${page}: ${link} leads to no heading of ${file}`
}

test('every relative link of the documentation leads to a file, and to a heading that is there', async () => {
  const links = (
    await Promise.all(pages.map(async (page) => linksOf(await textOf(page)).map((link) => ({ page, link }))))
  ).flat()
  const problems = await Promise.all(links.map(({ page, link }) => problemOf(page, link)))
  expect(links.length).toBeGreaterThan(50)
  expect(problems.filter((problem) => problem !== null)).toEqual([])
})

test('headings have the addresses that GitHub gives them', () => {
  const page =
    '# When it goes wrong\n## `concurrent.futures` (Python)\n```sh\n# not this\n```\n## Results\n## Results\n'
  expect(headingsOf(page)).toEqual(['when-it-goes-wrong', 'concurrentfutures-python', 'results', 'results-1'])
})
