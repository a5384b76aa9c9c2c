import type { Client } from '../contract/client.ts'
import type { Cli } from './cli.ts'
import { reportError } from './errors.ts'
import { type Subject, subjectOf } from './ids.ts'

/** Does one thing to each of what was named, and says what came of it. One to which it cannot be done must not keep it from the others. */
export const eachSubject = async <Done extends object>(
  cli: Cli,
  texts: readonly string[],
  {
    verb,
    act,
    sentence,
  }: {
    verb: string
    act: (client: Client, subject: Subject) => Promise<Done>
    sentence: (done: Done & { id: string }, client: Client, subject: Subject) => string | Promise<string>
  },
): Promise<void> => {
  const subjects = texts.map(subjectOf)
  const client = await cli.client()
  const all: (Done & { id: string })[] = []
  for (const subject of subjects) {
    try {
      const done = { id: subject.id, ...(await act(client, subject)) }
      all.push(done)
      if (!cli.json) cli.print(await sentence(done, client, subject))
    } catch (error) {
      cli.world.setExitCode(reportError(cli, error, verb))
    }
  }
  if (cli.json) cli.printJson(all)
}
