-- Results that may be used again: which job computed what, by the digests of what its result depends on.

alter table task add column cache bool not null default false;
comment on column task.cache is 'Its jobs take stored results of the same code, arguments and environment, and leave theirs';

create table reuse (
  owner_id    int    not null,
  key         text   not null,
  job_id      bigint not null,
  work        text   not null,
  code        text   not null,
  args        text   not null,
  environment text   not null,
  primary key (owner_id, key)
);
create index reuse_work on reuse (owner_id, work, job_id);
create index reuse_job on reuse (job_id);
comment on table reuse is 'The newest job of each key, whether it has finished or not; only results of one''s own are used again';
