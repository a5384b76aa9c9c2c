-- Jobs by lane and state, folded with the counters of their tasks: what monitors read, so that nobody counts jobs.
create table lane_count (
  lane_id integer not null,
  state   text not null,
  jobs    bigint not null,
  primary key (lane_id, state)
);

insert into lane_count (lane_id, state, jobs)
select t.lane_id, e.key, sum(e.value::bigint)
from task_count c join task t on t.id = c.task_id,
     lateral jsonb_each_text(to_jsonb(c) - 'task_id') e
where e.value::bigint <> 0
group by 1, 2;

-- The trace that a task was submitted in (a W3C traceparent); null when nobody traces.
alter table task add column trace text;
