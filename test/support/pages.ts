import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { files } from '../../src/main/files.ts'

/** What people read, as Markdown: its blocks of code, its headings, and where its links lead. */

export type Block = { language: string; words: string[]; text: string; line: number }

const fence = /^```(\w*) *(.*)\n([\s\S]*?)^```$/gm

export const blocksOf = (page: string): Block[] =>
  [...page.matchAll(fence)].map(([, language, words, text], i, all) => ({
    language: language!,
    words: words!.match(/[\w-]+="[^"]*"|\S+/g) ?? [],
    text: text!,
    line: page.slice(0, all[i]!.index).split('\n').length,
  }))

/** What stands after `name=` among the words of a block. */
export const named = ({ words }: Block, name: string): string | undefined =>
  words
    .find((word) => word.startsWith(`${name}=`))
    ?.slice(name.length + 1)
    .replaceAll('"', '')

/** The addresses of its headings, as GitHub makes them. */
export const headingsOf = (page: string): string[] => {
  const titles = [...page.replace(fence, '').matchAll(/^#+ +(.*)$/gm)].map(([, title]) => title!)
  const slugs = titles.map((title) =>
    title
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
  return slugs.map((slug, i) => {
    const before = slugs.slice(0, i).filter((other) => other === slug).length
    return before === 0 ? slug : `${slug}-${before}`
  })
}

/** The links that lead to something of ours. */
export const linksOf = (page: string): string[] =>
  [
    ...page
      .replace(fence, '')
      .replace(/`[^`\n]*`/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))

export const pagesIn = async (folder: string): Promise<string[]> =>
  (await readdir(path.join(files.root, folder), { recursive: true }))
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name))
    .sort()

export const textOf = (page: string): Promise<string> => readFile(path.join(files.root, page), 'utf8')
