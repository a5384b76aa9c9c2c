-- What pages ask for by more than a key, measured with 10^5 tasks and 10^6 jobs (bench/, `pages`).

-- Of the pilots that a queue ever had, few serve it now.
create index pilot_serving on pilot (queue_id) where state <> 'gone';
