-- Generated from src/domain/*/states.ts by `npm run states`; applied whenever it changed.
alter table workflow drop constraint if exists workflow_state_check;
alter table workflow add constraint workflow_state_check check (state in ('registered', 'running', 'paused', 'done', 'finished', 'failed', 'cancelled', 'expired'));
alter table task drop constraint if exists task_state_check;
alter table task add constraint task_state_check check (state in ('registered', 'defined', 'ready', 'pending', 'scouting', 'scouted', 'running', 'paused', 'throttled', 'finishing', 'aborting', 'done', 'finished', 'failed', 'exhausted', 'broken', 'aborted'));
alter table job drop constraint if exists job_state_check;
alter table job add constraint job_state_check check (state in ('pending', 'activated', 'sent', 'starting', 'running', 'awaiting', 'holding', 'transferring', 'merging', 'finished', 'failed', 'cancelled', 'closed'));
alter table pilot drop constraint if exists pilot_state_check;
alter table pilot add constraint pilot_state_check check (state in ('online', 'suspect', 'gone'));
alter table queue drop constraint if exists queue_state_check;
alter table queue add constraint queue_state_check check (state in ('online', 'test', 'brokeroff', 'offline'));
alter table attempt drop constraint if exists attempt_ending_check;
alter table attempt add constraint attempt_ending_check check (ending in ('finished', 'failed', 'lost', 'cancelled', 'returned'));
