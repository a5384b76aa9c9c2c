-- Reports ask for what was used by one thing at a time: by user, queue, label, ending or cause. So it is added up by one at a time, and a month of a large site is some
-- thousands of rows; by all of them together it was a hundred times as many, and a report of a week took 0.3 s (bench/, `pages`).

create table usage_by_hour (
  experiment_id int    not null,
  by            text   not null check (by in ('user', 'queue', 'label', 'ending', 'cause')),
  at            timestamptz not null,
  ref           int    not null,
  word          text   not null,
  attempts      bigint not null,
  jobs          bigint not null,
  finished      bigint not null,
  failed        bigint not null,
  cancelled     bigint not null,
  wall_seconds  float8 not null,
  cpu_seconds   float8 not null,
  primary key (experiment_id, by, at, ref, word)
) with (fillfactor = 50);
comment on table usage_by_hour is 'Kept for ever: what reports are made of';
comment on column usage_by_hour.ref is 'Of a person, a queue (0: none) or a set of labels; 0 where a word says it';
comment on column usage_by_hour.word is 'The ending, or the cause (empty: none); empty where a number says it';
comment on column usage_by_hour.jobs is 'That ended for good, in whatever way';

create table usage_by_day (like usage_by_hour including all) with (fillfactor = 50);
comment on table usage_by_day is 'Kept for ever, by days of UTC: what reports of more than two days are made of';

insert into usage_by_hour (experiment_id, by, at, ref, word, attempts, jobs, finished, failed, cancelled, wall_seconds, cpu_seconds)
select h.experiment_id, b.by, h.at, b.ref, b.word, sum(h.attempts), sum(h.jobs), coalesce(sum(h.jobs) filter (where h.ending = 'finished'), 0),
       coalesce(sum(h.jobs) filter (where h.ending = 'failed'), 0), coalesce(sum(h.jobs) filter (where h.ending = 'cancelled'), 0), sum(h.wall_seconds), sum(h.cpu_seconds)
from usage_hour h
cross join lateral (values ('user', owner_id, ''), ('queue', queue_id, ''), ('label', label_set_id, ''), ('ending', 0, ending), ('cause', 0, cause)) b(by, ref, word)
group by 1, 2, 3, 4, 5;

insert into usage_by_day (experiment_id, by, at, ref, word, attempts, jobs, finished, failed, cancelled, wall_seconds, cpu_seconds)
select experiment_id, by, date_trunc('day', at, 'UTC'), ref, word, sum(attempts), sum(jobs), sum(finished), sum(failed), sum(cancelled), sum(wall_seconds), sum(cpu_seconds)
from usage_by_hour group by 1, 2, 3, 4, 5;

drop table usage_hour;
drop table usage_day;
