-- Custom SQL migration file
CREATE VIEW "authors" AS SELECT DISTINCT "user_id" FROM "posts" -- no semicolon
--> statement-breakpoint
COMMENT ON VIEW "authors" IS 'users with posts'
