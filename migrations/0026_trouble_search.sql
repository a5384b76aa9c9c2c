-- The newest kinds of failure of an experiment, in whose texts the search looks. By id, which never changes: an index by when a kind was met last would grow with
-- every failure.
create index trouble_experiment on trouble (experiment_id, id);
