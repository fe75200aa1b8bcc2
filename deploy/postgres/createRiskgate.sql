-- Runs once, when the data folder is empty. The role of the gateways owns its database, and is no superuser.
\set password `cat /run/secrets/riskgate-password`
create role riskgate login password :'password';
create database riskgate owner riskgate;
