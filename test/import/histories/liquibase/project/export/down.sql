-- *********************************************************************
-- SQL to roll back currently unexecuted changes
-- *********************************************************************
-- Change Log: db/changelog/db.changelog-master.xml
-- Ran at: 1/1/26, 12:00 AM
-- Against: null@offline:postgresql?changeLogFile=export/records.csv
-- Liquibase version: 4.28.0
-- *********************************************************************

-- Rolling Back ChangeSet: db/changelog/last.json::notes::zoe
DROP TABLE notes;

-- Rolling Back ChangeSet: db/changelog/last.json::last::zoe
DROP VIEW v;

-- Rolling Back ChangeSet: db/changelog/changes/001_function.sql::always::ann
-- Rolling Back ChangeSet: db/changelog/changes/001_function.sql::multi::ann
DELETE FROM users WHERE name = 'a;b';

ALTER TABLE users DROP email;

-- Rolling Back ChangeSet: db/changelog/changes/001_function.sql::idx::ann
DROP INDEX CONCURRENTLY orders_user_idx;

-- Rolling Back ChangeSet: db/changelog/changes/001_function.sql::fn::ann
DROP FUNCTION one();

-- Rolling Back ChangeSet: db/changelog/orders.yaml::guarded::bob
SELECT 1;

-- Rolling Back ChangeSet: db/changelog/orders.yaml::tag::bob
-- Rolling Back ChangeSet: db/changelog/orders.yaml::orders::bob
ALTER TABLE orders DROP CONSTRAINT orders_user;

DROP TABLE orders;

-- Rolling Back ChangeSet: db/changelog/db.changelog-master.xml::1::ann
DROP TABLE users;

