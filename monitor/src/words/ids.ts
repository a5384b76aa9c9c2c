/** Ids say what they are: w12 a workflow, t34 a task, j56 a job. */
export const idPattern = /^[wtj][1-9]\d{0,14}$/

export const numberIn = (id: string) => Number(id.slice(1))

export const nouns = { w: 'workflow', t: 'task', j: 'job' } as const
export type Noun = (typeof nouns)[keyof typeof nouns]

export const nounOf = (id: string): Noun => nouns[id[0] as keyof typeof nouns]
