-- What `npm run bench -- pages` looks at: 9,112 workflows of 1 to 20,000 tasks, 10^5 tasks of 1 to 102,000 jobs, 10^6 jobs, with all that they leave behind. Nothing of it is
-- chance, so that two makings differ by the time of day alone; what would fall due is due in ten years, so that it stays as it was made.
set synchronous_commit = off;
set work_mem = '128MB';

insert into experiment (name) values ('second');
insert into team (experiment_id, name) values (2, 'users');
insert into person (experiment_id, name, admin, created_at)
  select case when i <= 40 then 1 else 2 end, case i when 1 then 'ada' else 'user' || i end, i = 1, now() - interval '200 days' from generate_series(1, 50) i;
insert into member (team_id, person_id, role) select experiment_id, id, 'member' from person;

insert into site (name) select 'site' || i from generate_series(1, 40) i;
insert into queue (site_id, name, state)
  select 2 + i % 40, 'queue' || i, case when i % 25 = 0 then 'brokeroff' else 'online' end from generate_series(1, 100) i;
insert into class (cores, memory_mb, gpus) values (1, 0, 0), (8, 16000, 0) on conflict do nothing;
insert into lane (purpose, queue_ids, share_id, class_id) select 'work', array[q.id], 1, c.id from queue q cross join class c where q.id > 1;
create temp table l as select row_number() over (order by id) - 1 as n, id from lane;

-- Of the pilots that ever were the last tenth is there.
insert into pilot (queue_id, name, host, version, slots, epoch, state, started_at, seen_at, lease_until, silent_since)
  select 2 + i % 100, 'pilot' || i, 'node' || i % 3000, '0.1.0', 16, 1, case when i <= 18000 then 'gone' when i <= 19950 then 'online' else 'suspect' end,
         now() - (20001 - i) * interval '5 minutes', now(), now() + interval '10 years', now()
  from generate_series(1, 20000) i;

-- By `rank` a workflow has its size: the large ones lie anywhere between the others.
create temp table w as
  select i as id, rank, case when rank = 1 then 20000 when rank = 2 then 5000 when rank <= 12 then 1000 when rank <= 112 then 200 else 1 + rank % 9 end as size,
         case when i % 50 = 0 then 2 else 1 end as experiment_id, case when i % 50 = 0 then 41 + i / 50 % 10 else 1 + i % 40 end as owner_id,
         case i % 4 when 2 then 'tasks' when 3 then 'session' else 'function' end as kind,
         case when i > 8712 or rank <= 6 then case when i % 20 = 1 then 'paused' else 'running' end
              when i % 25 = 0 then 'failed' when i % 25 <= 2 then 'finished' when i % 25 = 3 then 'cancelled' else 'done' end as state,
         now() - (9113 - i) * interval '10 minutes' as created_at
  from generate_series(1, 9112) i cross join lateral (select (i * 7919) % 9112 + 1 as rank) r;
insert into workflow (id, experiment_id, owner_id, team_id, name, kind, state, closed, driver_epoch, driver_seen_at, created_at, ended_at, value, error, labels, run, run_key, program)
  overriding system value
  select id, experiment_id, owner_id, experiment_id, 'search ' || id, kind, state, false, case kind when 'tasks' then 0 else 1 end, case when kind <> 'tasks' then created_at end,
         created_at, case when state not in ('running', 'paused') then created_at + size % 50 * interval '1 minute' end,
         case when state = 'done' and kind = 'function' then '{"loss":0.25}' end,
         case when state = 'failed' then '{"type":"FitError","message":"no minimum was found"}' end,
         jsonb_build_object('campaign', 'c' || id % 40), case when kind <> 'tasks' then md5(id::text)::uuid end, case when kind <> 'tasks' then 'session' end,
         case when kind <> 'tasks' then 'fit' || id % 30 || '.py' end
  from w;
insert into timer (kind, id, at, why) select 'driver', id, now() + interval '10 years', 'a driver' from w where kind <> 'tasks' and state = 'running';

create temp table t as
  select x.*, (sum(jobs) over (order by id) - jobs + 1)::bigint as first_job, created + place * interval '10 milliseconds' as created_at,
         case when w_state in ('running', 'paused') then
                case when place < begun then case when place % 10 = 9 and jobs > 1 then 'finished' else 'done' end when place < greatest(begun + 1, size * 8 / 10) then 'running' else 'pending' end
              when w_state = 'failed' and place = size - 1 then 'failed'
              when w_state in ('finished', 'failed') and (place % 7 = 3 or place = size - 1) then case when jobs > 1 then 'finished' else 'failed' end
              when w_state = 'cancelled' and place >= size / 2 then 'aborted' else 'done' end as state
  from (
    select n.*, case when k = 1 then 102000 when k <= 11 then 10000 when k <= 211 then 1000 else 1 + k % 11 end as jobs
    from (
      select row_number() over (order by w.id, place) as id, place, w.id as workflow_id, w.experiment_id, w.owner_id, w.size, w.size * 6 / 10 as begun, w.kind, w.state as w_state,
             w.created_at as created
      from w cross join lateral generate_series(0, w.size - 1) place) n
    cross join lateral (select (id * 7919) % 100000 + 1 as k) k) x;
create unique index on t (workflow_id, place);
analyze t;

-- A task leans on two before it; one that waits, also on the first that runs.
create temp table e as
  select distinct p.id as parent_id, c.id as child_id, p.state = 'done' as released
  from t c cross join lateral (values (place - 1 - c.id * 31 % least(place, 12)), (place - 1 - c.id * 17 % least(place, 40)), (begun)) v(at)
       join t p on p.workflow_id = c.workflow_id and p.place = v.at and p.place < c.place
  where c.place > 0 and (p.state = 'done' and v.at <> c.begun or c.state = 'pending' and p.state in ('running', 'pending'));

insert into task (id, workflow_id, experiment_id, owner_id, parent_job_id, name, state, closed, unmet, jobs, payload, lane_id, cores, priority, attempts_user, attempts_site, attempts_lost,
                  created_at, ended_at, labels)
  overriding system value
  select t.id, workflow_id, experiment_id, owner_id, case when kind = 'function' and place % 5 = 4 then (select first_job from t p where p.workflow_id = t.workflow_id and p.place = t.place - 1) end,
         (array['simulate', 'select', 'fit', 'merge', 'plot'])[1 + place % 5], state, true, coalesce(u.unmet, 0), jobs, '{"kind":"command","command":["fit","--fast"]}', l.id, 1, 1000, 1, 3, 5,
         created_at, case when state not in ('running', 'pending') then created_at + interval '4 minutes' end,
         (select labels from workflow where id = t.workflow_id)
  from t join l on l.n = t.id % (select count(*) from l)
       left join (select child_id, count(*) as unmet from e where not released group by 1) u on u.child_id = t.id and t.state = 'pending'
  order by t.id;
insert into task_edge (parent_id, child_id, released) select parent_id, child_id, released from e;
insert into call (workflow_id, scope, key, epoch, task_id, seen)
  select t.workflow_id, coalesce(k.parent_job_id, 0), 'fit:' || t.place, 1, t.id, case when t.place > 0 then format('[%s,"t%s"]', t.place - 1, t.id - 1 - t.id * 31 % least(t.place, 12)) end
  from t join task k on k.id = t.id where t.kind <> 'tasks' order by t.id;

insert into job (id, task_id, workflow_id, index, lane_id, state, attempt, unmet, released, held_by)
  select id, task_id, workflow_id, index, lane_id, state,
         case when state = 'finished' and id % 50 = 0 then 2 when state in ('finished', 'failed', 'running', 'sent') or h = 18 and state = 'activated' then 1 else 0 end,
         case state when 'pending' then 1 else 0 end, state = 'finished', case when h = 18 and state = 'activated' then 'timer' end
  from (
    select t.first_job + index as id, t.id as task_id, t.workflow_id, index, k.lane_id, h,
           case t.state when 'done' then 'finished' when 'failed' then 'failed' when 'aborted' then 'cancelled' when 'pending' then 'pending'
             when 'finished' then case when index = 0 or h < 3 and index <> 1 then 'failed' else 'finished' end
             else case when index = 0 then 'running' when h < 9 then 'finished' when h = 9 then 'failed' when h < 15 or h = 18 then 'activated' when h < 18 then 'running' else 'sent' end
           end as state
    from t join task k on k.id = t.id cross join lateral generate_series(0, t.jobs - 1) index cross join lateral (select (t.id * 13 + index) % 20 as h) h) j
  order by id;
insert into spec (job_id, args) select id, format('{"a":[%s]}', index) from job order by id;
insert into result (job_id, value, cause, error)
  select id, case when state = 'finished' then format('{"loss":%s,"rate":%s,"depth":%s}', round(id * 7919 % 10000 / 10000.0, 4), round(id * 104729 % 1000 / 1000.0, 3), id % 12) end,
         case state when 'failed' then case when id % 3 = 0 then 'memory' else 'user' end when 'cancelled' then 'cancelled' end,
         case when state = 'failed' then '{"type":"FitError","message":"no minimum in run ' || id % 100 || '","stack":"Traceback\n  File \"fit.py\", line 7\nFitError: no minimum"}' end
  from job where state in ('finished', 'failed', 'cancelled') order by id;
insert into ready (lane_id, rank, job_id) select lane_id, (7000::bigint << 40) | id, id from job where state = 'activated' and held_by is null;
insert into timer (kind, id, at, why) select 'backOff', id, now() + interval '10 years', 'the place could not run it' from job where held_by = 'timer';
insert into held (job_id, pilot_id, epoch, attempt, claim_seq, sent_at, started_at)
  select id, 18001 + id % 1950, 1, attempt, id, now() - interval '3 minutes', case when state = 'running' then now() - interval '3 minutes' end from job where state in ('sent', 'running');
insert into attempt (job_id, attempt, ending, pilot_id, sent_at, started_at, ended_at, cause, error, exit_code, wall_seconds, cpu_seconds, max_rss_mb)
  select j.id, n, case when n < j.attempt then 'lost' when j.state = 'finished' then 'finished' else 'failed' end, 1 + j.id % 20000, t.created_at, t.created_at, t.created_at + interval '2 minutes',
         case when n < j.attempt then 'lost' when j.held_by = 'timer' then 'site' else r.cause end, r.error, case when r.cause = 'user' then 1 end, 100 + j.id % 40, 90 + j.id % 30, 200 + j.id % 500
  from job j join t on t.id = j.task_id left join result r on r.job_id = j.id cross join lateral generate_series(1, j.attempt) n
  where j.state in ('finished', 'failed') or j.held_by = 'timer' order by j.id;

-- What was used, by hours, days and the minutes of late; in order of time, in which it is added up.
insert into label (experiment_id, noun, name, value, id)
  select experiment_id, 'workflow', e.key, e.value, id from workflow, jsonb_each_text(labels) e
  union all select experiment_id, 'task', e.key, e.value, id from task, jsonb_each_text(labels) e;
insert into label_set (labels, digest) select labels, sha256(convert_to(labels::text, 'UTF8')) from task group by 1;
create temp table ended as
  select a.ended_at as at, k.experiment_id, k.owner_id, p.queue_id, p.host, s.id as label_set_id, a.ending, coalesce(a.cause, '') as cause, 1 as attempts,
         (a.attempt = j.attempt and j.state in ('finished', 'failed'))::int as jobs, a.wall_seconds, a.cpu_seconds, j.id as job_id, j.task_id, a.attempt
  from attempt a join job j on j.id = a.job_id join task k on k.id = j.task_id join pilot p on p.id = a.pilot_id join label_set s on s.labels = k.labels
  union all
  select k.created_at, k.experiment_id, k.owner_id, 0, '', s.id, 'cancelled', 'cancelled', 0, 1, 0, 0, j.id, j.task_id, 0
  from job j join task k on k.id = j.task_id join label_set s on s.labels = k.labels where j.state = 'cancelled';
insert into usage_by_hour (experiment_id, by, at, ref, word, attempts, jobs, finished, failed, cancelled, wall_seconds, cpu_seconds)
  select experiment_id, b.by, date_trunc('hour', at, 'UTC'), b.ref, b.word, sum(attempts), sum(jobs), coalesce(sum(jobs) filter (where ending = 'finished'), 0),
         coalesce(sum(jobs) filter (where ending = 'failed'), 0), coalesce(sum(jobs) filter (where ending = 'cancelled'), 0), sum(wall_seconds), sum(cpu_seconds)
  from ended
  cross join lateral (values ('user', owner_id, ''), ('queue', queue_id, ''), ('label', label_set_id, ''), ('ending', 0, ending), ('cause', 0, cause)) b(by, ref, word)
  group by 1, 2, 3, 4, 5 order by 3, 1;
insert into usage_by_day (experiment_id, by, at, ref, word, attempts, jobs, finished, failed, cancelled, wall_seconds, cpu_seconds)
  select experiment_id, by, date_trunc('day', at, 'UTC'), ref, word, sum(attempts), sum(jobs), sum(finished), sum(failed), sum(cancelled), sum(wall_seconds), sum(cpu_seconds)
  from usage_by_hour group by 1, 2, 3, 4, 5 order by 3, 1;
insert into usage_minute (experiment_id, at, owner_id, queue_id, label_set_id, ending, cause, attempts, jobs, wall_seconds, cpu_seconds)
  select experiment_id, date_trunc('minute', at, 'UTC'), owner_id, queue_id, label_set_id, ending, cause, sum(attempts), sum(jobs), sum(wall_seconds), sum(cpu_seconds)
  from ended where at >= now() - interval '2 days' group by 1, 2, 3, 4, 5, 6, 7;
insert into experiment_count (experiment_id, state, jobs)
  select k.experiment_id, j.state, count(*) from job j join task k on k.id = j.task_id group by 1, 2;

-- Of each cause a hundred kinds of failure.
create temp table bad as select *, job_id % 100 as kind from ended where ending in ('failed', 'lost');
insert into trouble (experiment_id, cause, fingerprint, text, first_at, last_at, attempts, tasks, users, job_id)
  select experiment_id, cause, format('FitError: no minimum in run of kind %s', kind), format('FitError: no minimum in run %s of kind %s', max(job_id), kind), min(at), max(at), count(*),
         count(distinct task_id), count(distinct owner_id), max(job_id)
  from bad group by experiment_id, cause, kind;
create temp table met as
  select t.id as trouble_id, b.* from bad b join trouble t on t.experiment_id = b.experiment_id and t.cause = b.cause and t.fingerprint = format('FitError: no minimum in run of kind %s', b.kind);
insert into trouble_hour (experiment_id, hour, trouble_id, queue_id, attempts)
  select experiment_id, date_trunc('hour', at, 'UTC'), trouble_id, queue_id, count(*) from met group by 1, 2, 3, 4;
insert into trouble_host (trouble_id, queue_id, host, attempts, last_at) select trouble_id, queue_id, host, count(*), max(at) from met group by 1, 2, 3;
insert into trouble_user (trouble_id, owner_id, attempts) select trouble_id, owner_id, count(*) from met group by 1, 2;
insert into task_trouble (task_id, trouble_id, attempts, first_at, last_at, job_id) select task_id, trouble_id, count(*), min(at), max(at), max(job_id) from met group by 1, 2;
insert into trouble_job (trouble_id, job_id, attempt, at)
  select trouble_id, job_id, max(attempt), max(at) from (select *, row_number() over (partition by trouble_id order by at desc) as n from met) x where n <= 300 group by 1, 2;

-- Large tasks have all the points of their curve that are kept, small ones a few.
insert into task_curve (task_id, at, pending, activated, sent, starting, running, awaiting, holding, transferring, merging, finished, failed, cancelled, closed)
  select id, created_at + n * interval '1 second', 0, jobs - jobs * n / points, 0, 0, 0, 0, 0, 0, 0, jobs * n / points, 0, 0, 0
  from t cross join lateral (select case when jobs >= 1000 then 199 else 4 end as points) p cross join lateral generate_series(0, points) n where jobs > 1;
insert into curve_pace (task_id, points, seconds, next_at) select task_id, count(*), 1, now() from task_curve group by 1;

insert into progress (job_id, attempt, done, total, text, at) select id, 1, id % 100, 100, 'events', now() from job where state = 'running';
insert into log (job_id, attempt, stream, start, body)
  select id, 1, 'stdout', n * 24, convert_to(format(E'reading run %s of many\n', 1000 + n), 'utf8') from job cross join generate_series(0, 19) n where state = 'running' and id % 20 = 0;
insert into metric (job_id, attempt, name, step, value, at)
  select j.id, 1, 'loss', n, 1.0 / (1 + n), now() from job j cross join generate_series(0, 19) n where j.task_id % 100 = 7 and j.index < 200 and j.state in ('finished', 'running');
insert into course (job_id, attempt, points, at)
  select j.id, n, (select '[' || string_agg(format('[%s,%s,%s]', 30 * i, 300 + (j.id + 7 * i) % 500, round((0.5 + (j.id + i) % 50 / 100.0)::numeric, 2)), ',') || ']' from generate_series(1, 60) i), now()
  from job j cross join lateral generate_series(1, j.attempt) n where j.state = 'running' and j.id % 20 = 0 or j.id % 16000 = 7;

insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
  select at, noun, id, workflow_id, from_state, to_state, trigger
  from (
    select created_at as at, 'workflow' as noun, id, id as workflow_id, 'registered' as from_state, 'running' as to_state, 'started' as trigger from workflow
    union all select ended_at, 'workflow', id, id, 'running', state, 'ended' from workflow where ended_at is not null
    union all select created_at, 'task', id, workflow_id, 'registered', case state when 'pending' then 'pending' else 'ready' end, 'filled' from t
    union all select created_at, 'task', id, workflow_id, 'ready', 'running', 'started' from t where state <> 'pending'
    union all select created_at + interval '4 minutes', 'task', id, workflow_id, 'running', state, 'allFinished' from t where state not in ('running', 'pending')) m
  order by at;
insert into history (at, noun, id, workflow_id, from_state, to_state, trigger)
  select t.created_at + n * interval '1 minute', 'job', j.id, j.workflow_id, case n when 1 then 'activated' else 'sent' end, case n when 1 then 'sent' else j.state end,
         case n when 1 then 'claimed' else 'succeeded' end
  from job j join t on t.id = j.task_id cross join generate_series(1, 2) n where j.attempt > 0 and (n = 1 or j.state in ('finished', 'failed'));

insert into task_count (task_id, pending, activated, sent, running, finished, failed, cancelled)
  select task_id, count(*) filter (where state = 'pending'), count(*) filter (where state = 'activated'), count(*) filter (where state = 'sent'),
         count(*) filter (where state = 'running'), count(*) filter (where state = 'finished'), count(*) filter (where state = 'failed'), count(*) filter (where state = 'cancelled')
  from job group by task_id;
insert into workflow_count (workflow_id, tasks_total, tasks_ended, tasks_failed, pending, activated, sent, running, finished, failed, cancelled)
  select t.workflow_id, count(*), count(*) filter (where t.state not in ('running', 'pending')), count(*) filter (where t.state in ('finished', 'failed', 'aborted')),
         sum(c.pending), sum(c.activated), sum(c.sent), sum(c.running), sum(c.finished), sum(c.failed), sum(c.cancelled)
  from t join task_count c on c.task_id = t.id group by t.workflow_id;
insert into lane_count (lane_id, state, jobs) select lane_id, state, count(*) from job group by 1, 2;

select setval('workflow_id_seq', max(id)) from workflow;
select setval('task_id_seq', max(id)) from task;
select setval('job_id', max(id)) from job;
