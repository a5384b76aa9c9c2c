-- What: the many jobs that wait for one are released, or cancelled, page by page: a hundred thousand in the transaction of one report held up for seconds what else its pilot ran.

create table family (
  parent_id bigint primary key,
  what      text   not null check (what in ('release', 'orphans')),
  after     bigint not null,
  until     bigint not null,
  why       text   not null,
  at        timestamptz not null
);
comment on table family is 'Jobs that have ended, and whose many children are still to be told';
comment on column family.what is 'release: they wait for it no more; orphans: they are cancelled, since it did not finish';
comment on column family.after is 'The id of the child up to which it was gone through';
comment on column family.until is 'The id of the last child that is meant: who came later found it ended';
comment on column family.at is 'When it ended, or somebody was last at it';

comment on column job.released is 'Its result is registered, and its children are told (many of them page by page: family); goes from false to true once';
