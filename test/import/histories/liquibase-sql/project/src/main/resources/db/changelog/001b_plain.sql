-- A file without the header: one changeSet.
CREATE TABLE plain (id integer);

CREATE INDEX ON plain (id);
