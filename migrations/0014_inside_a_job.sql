-- What jobs say and keep while they run: numbers by name at a step, how far they are, and files for their next attempt.

-- Said again, the last word for a step counts. Names are ordered by their bytes, as readers page.
create table metric (
  job_id  bigint not null,
  attempt int    not null,
  name    text   collate "C" not null,
  step    bigint not null,
  value   float8 not null,
  at      timestamptz not null,
  primary key (job_id, name, step, attempt)
);

create table progress (
  job_id  bigint primary key,
  attempt int    not null,
  done    float8 not null,
  total   float8,
  text    text,
  at      timestamptz not null
) with (fillfactor = 50);

create table checkpoint (
  job_id  bigint primary key,
  attempt int    not null,
  blob    text   not null,
  bytes   bigint not null,
  at      timestamptz not null
);
comment on table checkpoint is 'What a job has kept for its next attempt; `blob` is the manifest, `bytes` what its files have together';
