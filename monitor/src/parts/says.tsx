import { makeCell, useCell } from '../api/cell.ts'

const said = makeCell('')
let timer: ReturnType<typeof setTimeout> | undefined

/** Tells something at the lower edge for a while. */
export const say = (text: string) => {
  said.write(text)
  clearTimeout(timer)
  timer = setTimeout(() => said.write(''), 6000)
}

export const Says = () => (
  <div className="says" role="status">
    {useCell(said)}
  </div>
)
