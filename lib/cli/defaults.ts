/** The database a machine is assumed to have when nothing says otherwise: what docker-compose.yml starts. */
export const DATABASE_DEFAULTS = {
  host: "localhost",
  port: 5432,
  database: "aws_framework",
  user: "framework_user",
  password: "framework_password",
} as const;
