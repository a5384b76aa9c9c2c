-- What pages ask for by more than a key, measured with 10^5 tasks and 10^6 jobs (bench/, `pages`).

-- The newest of one experiment are found without a look at those of all others.
create index workflow_experiment on workflow (experiment_id, id);

-- Of the pilots that a queue ever had, few serve it now.
create index pilot_serving on pilot (queue_id) where state <> 'gone';
