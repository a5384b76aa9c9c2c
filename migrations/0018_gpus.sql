-- GPUs are a part of what a lane's jobs ask for, so that a claim knows by the lane what fits. What a task names is kept as it was said.

alter table class
  add column gpus int not null default 0,
  drop constraint class_cores_memory_mb_key,
  add unique (cores, memory_mb, gpus);

alter table pilot add column gpus int not null default 0;

alter table task
  add column gpus            int not null default 0,
  add column queue           text,
  add column site            text,
  add column attempts_others text;
comment on column task.queue is 'The queue that it names; null when the broker chose';
comment on column task.site is 'The site that it names';
comment on column task.attempts_others is 'JSON text: attempts by causes that are counted as the user''s unless they are named; null when none is';
