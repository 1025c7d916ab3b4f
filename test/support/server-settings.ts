/**
 * For a server whose data nobody will miss. Every statement of a database whose `log_statement` asks for it
 * goes to a JSON log, which a test reads with SQL: the same way for the embedded server and for a container.
 */
export const SERVER_SETTINGS = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  max_connections: "200",
  max_prepared_transactions: "10",
  max_wal_size: "256MB",
  logging_collector: "on",
  log_destination: "jsonlog",
  log_filename: "server-%Y%m%d%H%M%S.log",
  log_rotation_age: "0",
  log_rotation_size: "0",
  log_line_prefix: "%m [%p] %d %a ",
} as const;
