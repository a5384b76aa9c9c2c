-- What goes wrong. Attempts that fail or are lost are told apart by cause and fingerprint (their message without what differs between failures of one kind). They are
-- appended here, one row per transaction, task, pilot and kind, and folded by one agent, so that nobody waits for the row of a kind that everybody meets.

create table trouble_delta (
  task_id     bigint not null,
  pilot_id    int    not null,
  cause       text   not null,
  fingerprint text   not null,
  text        text   not null,
  attempts    int    not null,
  job_ids     bigint[] not null,
  tries       int[]  not null,
  at          timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
comment on column trouble_delta.job_ids is 'The first few of the jobs; `tries` has the attempt of each';

create table trouble (
  id            bigint generated always as identity primary key,
  experiment_id int    not null,
  cause         text   not null,
  fingerprint   text   not null,
  text          text   not null,
  first_at      timestamptz not null,
  last_at       timestamptz not null,
  attempts      bigint not null,
  tasks         int    not null default 0,
  users         int    not null default 0,
  job_id        bigint not null,
  unique (experiment_id, cause, fingerprint)
) with (fillfactor = 70);
comment on column trouble.text is 'What the last of them said; `job_id` is its job';

create table trouble_hour (
  experiment_id int    not null,
  hour          timestamptz not null,
  trouble_id    bigint not null,
  queue_id      int    not null,
  attempts      bigint not null,
  primary key (experiment_id, hour, trouble_id, queue_id)
) with (fillfactor = 70);
create index trouble_hour_trouble on trouble_hour (trouble_id, hour);
create index trouble_hour_hour on trouble_hour (hour);

create table trouble_host (
  trouble_id bigint not null,
  queue_id   int    not null,
  host       text   not null,
  attempts   bigint not null,
  last_at    timestamptz not null,
  primary key (trouble_id, queue_id, host)
) with (fillfactor = 70);

create table trouble_user (
  trouble_id bigint not null,
  owner_id   int    not null,
  attempts   bigint not null,
  primary key (trouble_id, owner_id)
) with (fillfactor = 70);

create table trouble_job (
  trouble_id bigint not null,
  job_id     bigint not null,
  attempt    int    not null,
  at         timestamptz not null,
  primary key (trouble_id, job_id)
);
create index trouble_job_at on trouble_job (trouble_id, at, job_id);
comment on table trouble_job is 'The newest of its jobs, some hundreds of each trouble';

create table task_trouble (
  task_id    bigint not null,
  trouble_id bigint not null,
  attempts   bigint not null,
  first_at   timestamptz not null,
  last_at    timestamptz not null,
  job_id     bigint not null,
  primary key (task_id, trouble_id)
) with (fillfactor = 70);

-- How a task of several jobs went: its counters at some moments, written by the fold. When there are many they are thinned by half, and come half as often from then on.

create table task_curve (
  task_id bigint not null,
  at      timestamptz not null,
  pending int not null, activated int not null, sent int not null, starting int not null, running int not null, awaiting int not null, holding int not null,
  transferring int not null, merging int not null, finished int not null, failed int not null, cancelled int not null, closed int not null,
  primary key (task_id, at)
);

create table curve_pace (
  task_id bigint primary key,
  points  int    not null,
  seconds float8 not null,
  next_at timestamptz not null
) with (fillfactor = 50);
comment on table curve_pace is 'How many points of a task are kept, how far apart they are now, s, and when the next is due';
