-- What: the many jobs that wait for one are released, or cancelled, page by page: a hundred thousand in the transaction of one report held up all else that its pilot
-- had to say.

alter table sweep add column job_id bigint not null default 0;
alter table sweep drop constraint sweep_pkey;
alter table sweep add primary key (workflow_id, task_id, job_id, what);
-- Looked up for each parent of a job that is retried.
create index sweep_job on sweep (job_id) where job_id > 0;
comment on column sweep.job_id is 'The job of that task for which those wait that are meant; 0: all jobs of the task';
comment on column sweep.after is 'The index of the job, or its id where job_id is above 0, or the id of the task, up to which it was gone through';
comment on column sweep.until is 'The last job that is meant, in the terms of after; null when all are';
