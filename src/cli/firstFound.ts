type Page<Item> = { items: Item[]; next: string | null }

/** The first page that has something: where much had to be looked at, one may have nothing, and a `next`. */
export const firstFound = async <Item>(fetch: (after?: string) => Promise<Page<Item>>): Promise<Page<Item>> => {
  let page = await fetch()
  while (page.items.length === 0 && page.next) page = await fetch(page.next)
  return page
}
