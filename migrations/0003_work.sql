-- What: workflows have tasks, tasks have jobs. `job` is updated at every move and therefore narrow, with no index but its keys, so that updates
-- stay HOT; what never changes lies apart in `spec`. Values and errors are JSON text that the server does not look into (never jsonb: one
-- \u0000 in it would fail a whole batch).

create table workflow (
  id             bigint generated always as identity primary key,
  experiment_id  int  not null references experiment,
  owner_id       int  not null references person,
  team_id        int  not null references team,
  name           text not null,
  kind           text not null check (kind in ('function', 'session', 'tasks')),
  state          text not null,
  closed         bool not null default false,
  driver_epoch   int  not null default 0,
  driver_seen_at timestamptz,
  created_at     timestamptz not null,
  ended_at       timestamptz,
  value          text,
  value_blob     text,
  value_bytes    bigint,
  error          text,
  why            text,
  labels         jsonb not null default '{}'
) with (fillfactor = 70);
create index workflow_owner on workflow (owner_id, id);

-- No foreign keys on what every call inserts: each costs a statement of its own, and a lock on the row it points to. `insertTask` reads the workflow it
-- belongs to; the rest comes from caches of rows that are never deleted.
create table task (
  id                 bigint generated always as identity primary key,
  workflow_id        bigint not null,
  experiment_id      int    not null,
  owner_id           int    not null,
  parent_job_id      bigint,
  name               text   not null,
  state              text   not null,
  came_from          text,
  closed             bool   not null,
  unmet              int    not null default 0,
  jobs               int    not null default 0,
  payload            text  not null,
  common             text,
  common_blob        text,
  common_bytes       bigint,
  lane_id            int    not null,
  cores              int    not null,
  memory_mb          int,
  wall_seconds       int,
  priority           int    not null,
  attempts_user      int    not null,
  attempts_site      int    not null,
  attempts_lost      int    not null,
  lost_after_seconds int,
  created_at         timestamptz not null,
  ended_at           timestamptz,
  labels             jsonb not null default '{}'
) with (fillfactor = 70);
create index task_workflow on task (workflow_id, id);
comment on column task.unmet is 'How many tasks it waits for; its jobs count 1 more unmet while this is above 0';
comment on column task.jobs is 'Jobs submitted so far: the index of the next one';

create table task_edge (
  parent_id bigint not null references task,
  child_id  bigint not null references task,
  released  bool   not null default false,
  primary key (parent_id, child_id)
);
create index task_edge_child on task_edge (child_id);

create sequence job_id;

create table job (
  id           bigint primary key,
  task_id      bigint not null,
  index        int    not null,
  lane_id      int    not null,
  state        text   not null,
  attempt      int    not null default 0,
  unmet        int    not null default 0,
  released     bool   not null default false,
  has_children bool   not null default false,
  cancel_asked bool   not null default false,
  held_by      text,
  unique (task_id, index)
) with (fillfactor = 75);
comment on column job.released is 'Its result is registered and its children were told; goes from false to true once';
comment on column job.has_children is 'Set by whoever adds an edge, under the lock of this row';
comment on column job.held_by is 'Why an activated job has no row in `ready`: timer, pause, limit';

create table spec (
  job_id     bigint primary key,
  args       text,
  args_blob  text,
  args_bytes bigint
);

-- job B (child) needs job A (parent).
create table edge (
  parent_id bigint not null,
  child_id  bigint not null,
  primary key (parent_id, child_id)
);
create index edge_child on edge (child_id);

-- What may be claimed, in the order of its rank = (8000 - priority) << 40 | job id. Deleted by the claim, and by nobody else.
create table ready (
  lane_id int    not null,
  rank    bigint not null,
  job_id  bigint not null,
  primary key (lane_id, rank)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_threshold = -1);

create table held (
  job_id     bigint   not null,
  member     smallint not null default 0,
  pilot_id   int      not null,
  epoch      int      not null,
  attempt    int      not null,
  claim_seq  bigint   not null,
  sent_at    timestamptz not null,
  started_at timestamptz,
  primary key (job_id, member)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
create index held_pilot on held (pilot_id);

create table attempt (
  job_id       bigint not null,
  attempt      int    not null,
  ending       text   not null,
  pilot_id     int    not null,
  sent_at      timestamptz not null,
  started_at   timestamptz,
  ended_at     timestamptz not null,
  cause        text,
  error        text,
  exit_code    int,
  signal       text,
  wall_seconds real,
  cpu_seconds  real,
  max_rss_mb   real,
  primary key (job_id, attempt)
);

create table result (
  job_id      bigint primary key,
  value       text,
  value_blob  text,
  value_bytes bigint,
  cause       text,
  error       text
);
comment on table result is 'How a job ended: its value, or the cause and the error';

-- The journal: what a driver (scope 0) or a job (scope = its id) asked for, under which key. Asked again, it is the same task.
create table call (
  workflow_id bigint not null,
  scope       bigint not null,
  key         text   not null,
  epoch       int    not null,
  task_id     bigint not null,
  state       text   not null,
  done_seq    bigint,
  primary key (workflow_id, scope, key)
);
create index call_task on call (task_id);
