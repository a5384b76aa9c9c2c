-- A job's workflow beside it: each line of its history names the workflow, and a look at the task for it was a tenth of a claim's and of a report's work.
alter table job add column workflow_id bigint;
update job set workflow_id = (select workflow_id from task where id = job.task_id);
alter table job alter column workflow_id set not null;
