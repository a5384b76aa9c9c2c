import type { BodyInputOf, ParamsOf, QueryInputOf, ReplyOf, RouteName, Routes } from '../../../src/contract/routes.ts'
import { link } from './link.ts'
import { csrfHeader, signOut } from './session.ts'

/** The addresses of the API as the contract has them: `GET /v1/workflows/:id`. What goes in and comes out is typed by the address. */
type AddressOf<N extends RouteName> = `${Routes[N]['method']} ${Routes[N]['path']}`
type NameAt = { [N in RouteName as AddressOf<N>]: N }
export type Address = keyof NameAt
export type AnswerAt<A extends Address> = ReplyOf<NameAt[A]>
type Given<A extends Address> = {
  params?: ParamsOf<NameAt[A]>
  query?: QueryInputOf<NameAt[A]>
  body?: BodyInputOf<NameAt[A]>
  signal?: AbortSignal
}

/** What went wrong, in the server's words where it has said some. */
export class Problem extends Error {
  readonly status: number
  readonly title: string
  readonly help?: string

  constructor({ status = 0, title = 'The server does not answer', detail = title, help }: Partial<Told> = {}) {
    super(detail)
    this.status = status
    this.title = title
    this.help = help
  }

  /** What was asked for is wrong: asking again will not help. */
  get isFinal() {
    return this.status >= 400 && this.status < 500
  }
}
type Told = { status: number; title: string; detail: string; help: string }

export const isFinal = (error: unknown) => error instanceof Problem && error.isFinal

export const ask = async <A extends Address>(address: A, given: Given<A> = {}): Promise<AnswerAt<A>> => {
  const { params, query, body, signal } = given as Given<Address>
  const [method, path] = address.split(' ') as [string, string]
  const answer = await send(addressOf(path, params, query), {
    method,
    signal,
    ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
  })
  return answer.json().catch(() => {
    throw new Problem()
  })
}

type Page<Item> = { items: Item[]; next: string | null }

/** Asks on until there are `enough`: where much has to be looked through, a page may have little or nothing, and a `next`. */
export const askOn = async <Item>(
  enough: number,
  ask: (after?: string) => Promise<Page<Item>>,
): Promise<Page<Item>> => {
  let { items, next } = await ask()
  while (items.length < enough && next) {
    const page = await ask(next)
    items = [...items, ...page.items]
    next = page.next
  }
  return { items, next }
}

/** An answer that went well; anything else is thrown as a problem. */
export const send = async (path: string, init: RequestInit): Promise<Response> => {
  const headers = { ...init.headers, ...(init.method === 'GET' ? {} : csrfHeader()) }
  const answer = await fetch(path, { ...init, headers }).catch(() => {
    if (!init.signal?.aborted) link.write('away')
    throw new Problem()
  })
  link.write(answer.status < 500 ? 'live' : 'away')
  if (answer.ok) return answer
  if (answer.status === 401) signOut()
  const told = await answer.json().catch(() => null)
  throw new Problem({ title: `The server answered ${answer.status}`, ...told, status: answer.status })
}

const addressOf = (path: string, params: Record<string, string> = {}, query: Record<string, unknown> = {}) => {
  const said = Object.entries(query).flatMap(([name, word]) => [word].flat().map((one) => [name, one] as const))
  const words = said.filter(([, word]) => word !== undefined && word !== '')
  const search = new URLSearchParams(words.map(([name, word]) => [name, String(word)])).toString()
  const place = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name]!))
  return search === '' ? place : `${place}?${search}`
}
