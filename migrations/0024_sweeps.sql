-- What: people hold work, let it go on, and change its priority. The state of a task or workflow says it at once; what waits of it follows page by page.

alter table workflow add column held bool not null default false;
comment on column workflow.held is 'A person holds it: its tasks are paused, and so is each that comes';

alter table task add column former_priorities int[];
comment on column task.former_priorities is 'Under which jobs of it may still lie in `ready`; null when there are none such';

-- What is still to be gone through so that it agrees with its task or workflow as that is by then. Asked again, it begins anew.
create table sweep (
  workflow_id bigint not null,
  task_id     bigint not null,
  what        text   not null check (what in ('pause', 'priority', 'finish')),
  after       bigint not null,
  priority    int,
  why         text   not null,
  at          timestamptz not null,
  primary key (workflow_id, task_id, what)
);
comment on column sweep.task_id is 'Whose jobs; 0: the tasks of the workflow';
comment on column sweep.after is 'The index of the job, or the id of the task, up to which it was gone through';
comment on column sweep.priority is 'Which is to be given to tasks';
comment on column sweep.at is 'When it was asked, or somebody was last at it';
