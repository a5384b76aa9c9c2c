-- Where: sites have queues, pilots serve queues, jobs wait in lanes.

create table site (
  id   int generated always as identity primary key,
  name text not null unique
);

create table queue (
  id      int generated always as identity primary key,
  site_id int  not null references site,
  name    text not null unique,
  state   text not null
);
alter table token add foreign key (queue_id) references queue;

create table share (
  id        int generated always as identity primary key,
  parent_id int references share,
  name      text not null unique,
  weight    real not null default 1 check (weight > 0)
);

create table class (
  id        int generated always as identity primary key,
  cores     int not null,
  memory_mb int not null,
  unique (cores, memory_mb)
);
comment on column class.memory_mb is '0 = not asked for';

create table pilot (
  id          int generated always as identity primary key,
  queue_id    int  not null references queue,
  name        text not null,
  host        text not null,
  version     text not null,
  slots       int  not null,
  memory_mb   int,
  epoch       int  not null,
  state       text not null,
  started_at  timestamptz not null,
  seen_at     timestamptz not null,
  lease_until timestamptz not null,
  unique (queue_id, name)
) with (fillfactor = 50);

-- (set of queues × share × class): only those that exist. A job waits in one lane, and any queue of the set may take it: late binding.
-- `resume` lanes belong to one pilot: there wait the jobs that awaited calls of their own and want their slot back.
create table lane (
  id        int generated always as identity primary key,
  purpose   text  not null check (purpose in ('work', 'driver', 'resume')),
  queue_ids int[] not null,
  share_id  int   not null references share,
  class_id  int   not null references class,
  pilot_id  int   not null default 0,
  unique (purpose, queue_ids, share_id, class_id, pilot_id)
);
