-- What has ended may be run again: a round. Attempts go on counting; what is charged to the budgets of a job counts from its round on.

alter table task add column round int not null default 0;
comment on column task.round is 'How often it was retried';

-- Null of those that never were, which cost nothing by it.
alter table job add column retried_after int;
comment on column job.retried_after is 'The attempt after which it was retried last: those up to it are not charged, and their journal is known by its keys alone';
alter table workflow add column retried_after int;
comment on column workflow.retried_after is 'The driver (its epoch) after which it was retried last: what it and those before it wrote is known by its keys alone';

-- Counters fold later, and in parts: without these a task would be taken for over by the count of jobs that have come back meanwhile.
alter table task add column came_back int not null default 0;
comment on column task.came_back is 'How many of its jobs were retried, and it itself: it ends only by counters that know as many';
alter table task_count add column came_back int not null default 0;
alter table task_delta add column came_back int, add column reopened int;
comment on column task_delta.reopened is '1 when a task that had ended is under way again: its workflow had counted its end';

-- A stack for each workflow: what was put there last is done first. A row is done page by page, and stays until all of it is, whoever dies meanwhile.
create table retry (
  id          bigint generated always as identity primary key,
  workflow_id bigint not null,
  task_id     bigint not null,
  job_id      bigint,
  orphans     bool   not null,
  after_index int    not null default -1,
  calls_asked bool   not null default false,
  why         text   not null,
  at          timestamptz not null
);
create index retry_workflow on retry (workflow_id, id);
create index retry_task on retry (task_id);
comment on table retry is 'What is to be run again: a job, or the jobs of a task that failed or were cancelled';
comment on column retry.orphans is 'Only the jobs that were cancelled since something they needed had not finished';
comment on column retry.calls_asked is 'What the jobs of the next page had called is on the stack above, or done';
comment on column retry.at is 'When somebody was last at it';
