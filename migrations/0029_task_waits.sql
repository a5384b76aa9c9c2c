-- What: a task that waited for others is let go page by page, or cancelled page by page when one of them did not end well: a hundred thousand jobs in one transaction would hold up the
-- counters of everybody for ten seconds.

alter table sweep drop constraint sweep_what_check;
alter table sweep add constraint sweep_what_check check (what in ('pause', 'priority', 'finish', 'release', 'orphans'));
alter table sweep add column until bigint;
comment on column sweep.until is 'The index of the last job that is meant; null when all are';

comment on column task.unmet is 'How many tasks it waits for; its jobs count 1 more unmet while this is above 0, and then until a sweep has come to them';
