-- What attempts used over time, for those who look at one of them. Only attempts that run for some seconds have one; it is told again as they go on, whole each time.

create table course (
  job_id  bigint not null,
  attempt int    not null,
  points  text   not null,
  at      timestamptz not null,
  primary key (job_id, attempt)
) with (fillfactor = 50);
create index course_at on course (at);
comment on table course is 'Memory and cores of an attempt over time; kept for 30 days';
comment on column course.points is 'JSON: of each point seconds since its start, MB, cores';
comment on column course.at is 'When it was told first: it stays, so that telling it again touches no index';
