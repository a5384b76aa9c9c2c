-- Leases: from when on a pilot's silence counts. A pilot that nobody could hear was not silent, so every process that serves pilots notes until when it could.

create table server (
  id          text primary key,
  heard_until timestamptz not null
) with (fillfactor = 50);
comment on table server is 'Processes that serve pilots, by their address; one that ended is kept for a day';

alter table pilot
  add column server_id    text,
  add column silent_since timestamptz;
comment on column pilot.server_id is 'The server that heard it last';
comment on column pilot.silent_since is 'When it was last heard, and later by all the time in which nobody could hear it';
comment on column pilot.lease_until is 'Nobody looks at it before: the end of its lease or, once it is silent, when the next of its jobs is to be given up';
update pilot set silent_since = seen_at;
alter table pilot alter column silent_since set not null;
create index pilot_watched on pilot (id) where state <> 'gone';

alter table queue add column lost_after_seconds int check (lost_after_seconds > 0);
comment on column queue.lost_after_seconds is 'How long a pilot of this queue may be silent before its jobs are given to others; a task may say otherwise';
