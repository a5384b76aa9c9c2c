-- What: a program that is started again continues its workflows. `run` is the program, however often it is started; `run_key` says which of its workflows this is.
-- The hashes tell a program that was changed from the same one. The journal says what was asked, and what its asker had been told by then.

alter table workflow
  add run       uuid,
  add run_key   text,
  add program   text,
  add code      text,
  add arguments text;
comment on column workflow.code is 'Hash of the source of its function; null when it has none';
comment on column workflow.arguments is 'Hash of the arguments of its function; null when it has none';
create unique index workflow_run on workflow (run, owner_id, run_key) where run is not null;

-- How a call ended is told by its task and its jobs: that was kept twice.
drop index call_task;
alter table call
  drop state,
  drop done_seq,
  alter task_id drop not null,
  add value text,
  add seq   bigint generated always as identity,
  add seen  text,
  add check (task_id is not null or value is not null);
comment on column call.value is 'A value that was recorded under this key, when it is no call';
comment on column call.seen is 'What the asker was told between what it had written before and this';
create index call_seq on call (workflow_id, scope, seq);
