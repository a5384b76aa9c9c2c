-- One of each until more are asked for.
insert into experiment (name) values ('default');
insert into team (experiment_id, name) values (1, 'users');
insert into site (name) values ('local');
insert into queue (site_id, name, state) values (1, 'local', 'online');
insert into share (name) values ('default');
