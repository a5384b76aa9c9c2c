-- What keeps it going: timers, counters by appended deltas, and the history, which is the outbox.

create table timer (
  kind text   not null,
  id   bigint not null,
  at   timestamptz not null,
  why  text   not null,
  primary key (kind, id)
);
create index timer_at on timer (at);

-- A task's counters change with every move of every job. They are appended here, one row per batch and task, and folded by one agent, so that
-- nobody waits for the row of the task.
create table task_delta (
  task_id      bigint not null,
  pending      int, activated int, sent int, starting int, running int, awaiting int, holding int, transferring int, merging int,
  finished     int, failed int, cancelled int, closed int
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

create table task_count (
  task_id      bigint primary key,
  pending      int not null default 0,
  activated    int not null default 0,
  sent         int not null default 0,
  starting     int not null default 0,
  running      int not null default 0,
  awaiting     int not null default 0,
  holding      int not null default 0,
  transferring int not null default 0,
  merging      int not null default 0,
  finished     int not null default 0,
  failed       int not null default 0,
  cancelled    int not null default 0,
  closed       int not null default 0
) with (fillfactor = 50);
comment on table task_count is 'Made by the first fold of a task''s deltas';

create table workflow_count (
  workflow_id  bigint primary key,
  tasks_total  int not null default 0,
  tasks_ended  int not null default 0,
  tasks_failed int not null default 0,
  pending      int not null default 0,
  activated    int not null default 0,
  sent         int not null default 0,
  starting     int not null default 0,
  running      int not null default 0,
  awaiting     int not null default 0,
  holding      int not null default 0,
  transferring int not null default 0,
  merging      int not null default 0,
  finished     int not null default 0,
  failed       int not null default 0,
  cancelled    int not null default 0,
  closed       int not null default 0
) with (fillfactor = 50);

-- Every move of every machine. `xid` tells which rows may still be preceded by others: a stream's cursor never passes the oldest running
-- transaction (ids and times are taken before commits, so who resumes by them alone misses rows).
create table history (
  seq         bigint generated always as identity,
  xid         xid8   not null default pg_current_xact_id(),
  at          timestamptz not null,
  noun        text   not null,
  id          bigint not null,
  workflow_id bigint not null,
  from_state  text,
  to_state    text   not null,
  trigger     text   not null,
  why         text
) partition by range (at);
create table history_rest partition of history default;
create index history_noun on history (workflow_id, noun, id);
create index history_xid on history (xid, seq);

create table blob (
  experiment_id int    not null references experiment,
  hash          text   not null,
  bytes         bigint not null,
  created_at    timestamptz not null,
  primary key (experiment_id, hash)
);

create table bundle (
  experiment_id int  not null references experiment,
  hash          text not null,
  files         int  not null,
  created_at    timestamptz not null,
  primary key (experiment_id, hash)
);

-- What jobs print, while they print it; ended attempts are moved to the storage.
create table log (
  job_id  bigint not null,
  attempt int    not null,
  stream  text   not null check (stream in ('stdout', 'stderr')),
  start   bigint not null,
  seq     bigint generated always as identity,
  body    bytea  not null,
  primary key (job_id, attempt, stream, start)
);
create index log_seq on log (job_id, seq);
