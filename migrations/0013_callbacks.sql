-- External completion: a payload may end without its value, which something outside posts later.

create table deferred (
  job_id       bigint primary key,
  attempt      int    not null,
  pilot_id     int    not null,
  sent_at      timestamptz not null,
  started_at   timestamptz,
  ended_at     timestamptz not null,
  wall_seconds real,
  cpu_seconds  real,
  max_rss_mb   real,
  until        timestamptz not null
);
comment on table deferred is 'Attempts whose payload has ended and whose value is to come from outside: as they were at their pilot, which has no part in them any more';

-- Kept until its address is over and its attempt too, so that who posts the same again, since he lost the answer, is answered the same.
create table callback (
  job_id     bigint not null,
  attempt    int    not null,
  value      text,
  error      text,
  at         timestamptz not null,
  expires_at timestamptz not null,
  primary key (job_id, attempt),
  check ((value is null) <> (error is null))
);
create index callback_expires_at on callback (expires_at);
comment on table callback is 'What was posted for an attempt, whether it has been applied or waits for the attempt''s report';
