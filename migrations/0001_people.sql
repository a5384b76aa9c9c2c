-- Who: experiments are tenants, groups own work, people act, tokens speak for them.

create table experiment (
  id   int generated always as identity primary key,
  name text not null unique
);

create table team (
  id            int generated always as identity primary key,
  experiment_id int  not null references experiment,
  name          text not null,
  unique (experiment_id, name)
);
comment on table team is 'A group of people; `group` is a reserved word';

create table person (
  id            int generated always as identity primary key,
  experiment_id int  not null references experiment,
  name          text not null,
  admin         bool not null default false,
  created_at    timestamptz not null,
  unique (experiment_id, name)
);

create table member (
  team_id   int  not null references team,
  person_id int  not null references person,
  role      text not null check (role in ('member', 'manager')),
  primary key (team_id, person_id)
);

-- Only the SHA-256 of a token is kept. A payload's token is not here: it is derived from its attempt and holds as long as that is held.
create table token (
  hash       bytea primary key,
  kind       text not null check (kind in ('user', 'pilot')),
  person_id  int  references person,
  queue_id   int,
  note       text not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  check ((kind = 'user') = (person_id is not null)),
  check ((kind = 'pilot') = (queue_id is not null))
);

-- Secrets of the installation: the keys that sign addresses and payloads' tokens.
create table secret_key (
  name text primary key,
  key  bytea not null
);

-- A request with a key has one effect: its reply is kept beside the effect, in the same transaction.
create table idempotency (
  person_id  int   not null references person,
  route      text  not null,
  key        text  not null,
  body       bytea not null,
  reply      text  not null,
  created_at timestamptz not null,
  primary key (person_id, route, key)
);
create index idempotency_created_at on idempotency using brin (created_at);
