-- A registration that comes twice, or late, is no new start of its pilot.
alter table pilot add column start bigint;
comment on column pilot.start is 'Number of the newest start, as the pilot counts them: larger than those of all its earlier ones';
