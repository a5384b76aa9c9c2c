-- Who: browsers. A session stands for the token that began it, and ends with that; the browser has it as a cookie, and of that only the SHA-256 is kept.

create table session (
  hash       bytea primary key,
  token_hash bytea not null references token (hash),
  created_at timestamptz not null,
  seen_at    timestamptz not null
);
create index session_seen_at on session (seen_at);
comment on column session.seen_at is 'When it was last used, give or take a minute';
