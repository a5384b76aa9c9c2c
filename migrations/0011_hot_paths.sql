-- The hot path, measured with batches of 1,000 (bench/, `life-cycle`).

-- A batch updates neighbours: with a quarter of a page free a third of its updates stayed HOT, with more than half of it free all of them.
alter table job set (fillfactor = 45);

-- A repeated claim is found by its number, not among all that the pilot holds.
drop index held_pilot;
create index held_pilot on held (pilot_id, claim_seq);

-- What a pilot should end is found by the pilot, not among all that it holds.
alter table held add column cancel_asked bool not null default false;
update held set cancel_asked = true where job_id = any(array(select id from job where cancel_asked));
create index held_cancel on held (pilot_id) where cancel_asked;

-- A job's story is found by its number alone: half the size, and no text is compared. Workflows and tasks, of which there are few, are read in their order.
drop index history_noun;
create index history_job on history (id) where noun = 'job';
create index history_workflow on history (workflow_id, seq) where noun <> 'job';

-- Whether any task waits for another decides how soon counters are folded.
create index task_edge_waiting on task_edge (parent_id) where not released;

-- No plan of the hot path depends on statistics (src/store/plans.test.ts), and taking them of tables that grow all the time was a fifth of what the database did. A look at
-- each doubling is enough for people's lists.
alter table job set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table spec set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table attempt set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table result set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table call set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table history_rest set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table ready set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table held set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
alter table task_delta set (autovacuum_analyze_scale_factor = 1, autovacuum_analyze_threshold = 100000);
