-- Several experiments on one installation: who runs it, tokens that can be named and taken back, and secrets for jobs.

alter table person add column operator bool not null default false;
comment on column person.operator is 'Admin of the installation; `admin` is one of the experiment';
update person set operator = true where admin;

alter table token add column id bigint generated always as identity unique;
alter table token add column created_by int references person;
create index token_person on token (person_id);

-- A secret of a person, sealed with a key that is not in the database (src/lib/sealed.ts). `key_id` repeats which, so that a rotation finds what is left.
create table secret (
  person_id  int   not null references person,
  name       text  not null,
  key_id     text  not null,
  sealed     bytea not null,
  created_at timestamptz not null,
  set_at     timestamptz not null,
  primary key (person_id, name)
);
create index secret_key_id on secret (key_id);

alter table task add column secrets text;
comment on column task.secrets is 'JSON text: which secrets of its owner its jobs get, and how; null for those that name none';
