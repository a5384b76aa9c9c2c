import type { Nature } from './payload.ts'

/** What was asked for, as those who asked know it. What must have come of it is judged by `oracle.ts`; nothing here looks at the database. */
export type ModelWorkflow = {
  name: string
  kind: 'tasks' | 'function'
  owner: string
  id?: `w${number}`
  tasks: ModelTask[]
  closed: boolean
  /** A person asked to cancel it; `accepted` when he heard that it was. */
  cancel?: 'asked' | 'accepted'
  /** A person asked to retry it, or something of it. */
  retried?: boolean
  /** How its driver ended it. */
  end?: 'done' | 'failed'
}

export type ModelTask = {
  /** Unique: by this the rows of the database are known again. */
  name: string
  workflow: ModelWorkflow
  id?: `t${number}`
  jobs: ModelJob[]
  parents: ModelTask[]
  attempts: { user: number; site: number; lost: number }
  cores: number
  cancel?: 'asked' | 'accepted'
  /** The job whose call it is. */
  caller?: ModelJob
}

export type ModelJob = {
  task: ModelTask
  index: number
  nature: Nature
  parents: ModelJob[]
  id?: `j${number}`
  cancelAsked?: boolean
}

/** Everything that was ever submitted, by the name of the task. */
export class Model {
  readonly workflows: ModelWorkflow[] = []
  readonly tasks = new Map<string, ModelTask>()

  addWorkflow(workflow: ModelWorkflow): ModelWorkflow {
    this.workflows.push(workflow)
    return workflow
  }

  /** Known from the moment when it is asked for: whether it came to be, an answer tells, or the database. */
  addTask(task: ModelTask): ModelTask {
    const known = this.tasks.get(task.name)
    if (known) return known
    this.tasks.set(task.name, task)
    task.workflow.tasks.push(task)
    return task
  }

  job(taskName: string, index: number): ModelJob | undefined {
    return this.tasks.get(taskName)?.jobs[index]
  }
}

export const nameJobs = (task: ModelTask, from: number, n: number, first: string): void => {
  for (let i = 0; i < n; i++) task.jobs[from + i]!.id = `j${Number(first.slice(1)) + i}`
}
