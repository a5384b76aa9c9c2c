-- What was used, by whom, where and to which end. Whoever ends attempts or jobs appends what that used, one row for each task, pilot, ending and cause of a batch, and one agent
-- adds it up, as it does with counters: nobody waits for a row that many change, and reports count nothing.

create table usage_delta (
  at           timestamptz not null,
  task_id      bigint not null,
  pilot_id     int,
  ending       text   not null,
  cause        text,
  attempts     int    not null default 0,
  jobs         int    not null default 0,
  wall_seconds float8 not null default 0,
  cpu_seconds  float8 not null default 0
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
comment on column usage_delta.pilot_id is 'Of the attempt, or of the last one of the job that ended; null of a job that never had one';
comment on column usage_delta.attempts is 'Attempts that ended so; below 0 when one had not ended after all, since its pilot came back';
comment on column usage_delta.jobs is 'Jobs that ended so; below 0 when they run again, since somebody has retried them';

-- The labels of tasks, each set of them once.
create table label_set (
  id     int generated always as identity primary key,
  labels jsonb not null,
  digest bytea not null unique
);

-- 0 stands for no queue, '' for no cause, since both are parts of the key.
create table usage_minute (
  experiment_id int    not null,
  at            timestamptz not null,
  owner_id      int    not null,
  queue_id      int    not null,
  label_set_id  int    not null,
  ending        text   not null,
  cause         text   not null,
  attempts      bigint not null,
  jobs          bigint not null,
  wall_seconds  float8 not null,
  cpu_seconds   float8 not null,
  primary key (experiment_id, at, owner_id, queue_id, label_set_id, ending, cause)
) with (fillfactor = 50);
comment on table usage_minute is 'Kept for two days: what pages show of late';

create table usage_hour (like usage_minute including all) with (fillfactor = 50);
comment on table usage_hour is 'Kept for ever: what reports are made of';

create table usage_day (like usage_minute including all) with (fillfactor = 50);
comment on table usage_day is 'Kept for ever, by days of UTC: what reports of more than two days are made of';

-- Jobs of an experiment by state, folded with the counters of their tasks: what its first page shows.
create table experiment_count (
  experiment_id int    not null,
  state         text   not null,
  jobs          bigint not null,
  primary key (experiment_id, state)
) with (fillfactor = 50);

insert into experiment_count (experiment_id, state, jobs)
select t.experiment_id, e.key, sum(e.value::bigint)
from task_count c join task t on t.id = c.task_id, lateral jsonb_each_text(to_jsonb(c) - '{task_id,came_back}'::text[]) e
where e.value::bigint <> 0
group by 1, 2;
