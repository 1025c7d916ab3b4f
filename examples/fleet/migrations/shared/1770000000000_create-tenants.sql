-- Up Migration
CREATE TABLE tenants (
  -- Part of the name of its schema.
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  -- NULL until its schema has all tables: the application lets nobody in before.
  ready_at timestamptz
);

-- Down Migration
DROP TABLE tenants;
