-- Lists by label. A row for each label of each workflow and task, in the order in which lists are read: a page of those with a label is read off the key, however many have it.
-- (An index of the documents themselves, by GIN, would find all of them first, and sort them.)

create table label (
  experiment_id int    not null,
  noun          text   not null check (noun in ('workflow', 'task')),
  name          text   collate "C" not null,
  value         text   collate "C" not null,
  id            bigint not null,
  primary key (experiment_id, noun, name, value, id)
) with (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);

-- A task's labels are those of its workflow, and over these its own, as of its submission.
update task t set labels = w.labels || t.labels from workflow w where w.id = t.workflow_id and w.labels <> '{}';

insert into label (experiment_id, noun, name, value, id)
select w.experiment_id, 'workflow', e.key, e.value, w.id from workflow w, jsonb_each_text(w.labels) e
union all select t.experiment_id, 'task', e.key, e.value, t.id from task t, jsonb_each_text(t.labels) e;

-- Lists of one experiment among many.
create index workflow_experiment on workflow (experiment_id, id);
create index task_experiment on task (experiment_id, id);

-- Those under way, of which there are few.
create index workflow_under_way on workflow (experiment_id, id) where ended_at is null;

-- Search by the begin of a name.
create index workflow_name on workflow (experiment_id, (lower(name) collate "C"), id desc);
create index task_name on task (experiment_id, (lower(name) collate "C"), id desc);
