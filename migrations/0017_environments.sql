-- Where the code of tasks runs, in what they do not say themselves. A task's own is in its payload, together with what its workflow said.

alter table workflow add column environment text;
comment on column workflow.environment is 'JSON text: what tasks have of it that do not say otherwise; null for those that say nothing';

alter table queue add column environment text;
comment on column queue.environment is 'JSON text: what tasks have in it that do not say otherwise; null when it says nothing';
