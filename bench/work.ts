/** One step of the work, in the ways in which tools are told of it. Each does the same to the database. */
export interface Step {
  readonly name: string;
  readonly up: string;
  readonly down: string;
  /** Bodies of `up` and `down` of a migration that is handed a MigrationBuilder. */
  readonly builderUp: string;
  readonly builderDown: string;
}

const FIRST = 1_700_000_000_000;

/** Of every five steps one makes a table, two add a column, one an index, one a comment. */
export function stepsOf(count: number): readonly Step[] {
  return Array.from({ length: count }, (_, index) => {
    const table = `item_${index - (index % 5)}`;
    return { name: `${FIRST + index}_${NAMES[index % 5]}`, ...stepOn(table, index % 5) };
  });
}

/** Tables and indexes that the steps leave, primary keys among them. */
export function relationsAfter(count: number): number {
  return 2 * Math.ceil(count / 5) + Math.floor((count + 1) / 5);
}

const NAMES = ["make-table", "add-price", "add-note", "index-label", "describe"];

function stepOn(table: string, kind: number): Omit<Step, "name"> {
  if (kind === 0) {
    return {
      up: `CREATE TABLE ${table} (\n  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n  label text NOT NULL,\n  made_at timestamptz NOT NULL DEFAULT now()\n);`,
      down: `DROP TABLE ${table};`,
      builderUp: `pgm.createTable("${table}", {
    id: { type: "bigint", primaryKey: true, sequenceGenerated: { precedence: "ALWAYS" } },
    label: { type: "text", notNull: true },
    made_at: { type: "timestamptz", notNull: true, default: pgm.func("now()") },
  });`,
      builderDown: `pgm.dropTable("${table}");`,
    };
  }
  if (kind === 3) {
    return {
      up: `CREATE INDEX ${table}_label_index ON ${table} (label);`,
      down: `DROP INDEX ${table}_label_index;`,
      builderUp: `pgm.createIndex("${table}", "label");`,
      builderDown: `pgm.dropIndex("${table}", "label");`,
    };
  }
  if (kind === 4) {
    const [up, down] = [`COMMENT ON TABLE ${table} IS 'Things';`, `COMMENT ON TABLE ${table} IS NULL;`];
    return { up, down, builderUp: `pgm.sql("${up}");`, builderDown: `pgm.sql("${down}");` };
  }
  const [column, type] = kind === 1 ? ["price", "numeric(12, 2)"] : ["note", "text"];
  return {
    up: `ALTER TABLE ${table} ADD COLUMN ${column} ${type};`,
    down: `ALTER TABLE ${table} DROP COLUMN ${column};`,
    builderUp: `pgm.addColumns("${table}", { ${column}: { type: "${type}" } });`,
    builderDown: `pgm.dropColumns("${table}", ["${column}"]);`,
  };
}
