-- What: a workflow function may run as a job. Its workflow has no driver: it ends as the one job of its first task does.
alter table workflow drop constraint workflow_kind_check;
alter table workflow add constraint workflow_kind_check check (kind in ('function', 'job', 'session', 'tasks'));
