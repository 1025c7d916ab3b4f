/** One migration of the bench's folder: as SQL, and as calls of node-pg-migrate's builder that do the same. */
export interface BenchMigration {
  readonly name: string;
  readonly up: string;
  readonly down: string;
  readonly builderUp: string;
  readonly builderDown: string;
}

type Template = (table: Tables) => Omit<BenchMigration, "name">;

/** The tables that nine migrations in a row work on, and a table of the nine before them. */
interface Tables {
  readonly customer: string;
  readonly purchase: string;
  readonly inviter: string;
  /** Suffix of the function's name. */
  readonly group: number;
}

const FIRST_TIMESTAMP = 1_700_000_000_000;
const CUSTOMERS = 50;

/**
 * The folder as a project has it after some years: of nine migrations two write rows, one makes a function, one adds a
 * column and fills it, and two more change tables that have rows. Always the same for the same count.
 */
export function benchMigrations(count: number): readonly BenchMigration[] {
  return Array.from({ length: count }, (_, index) => {
    const group = Math.floor(index / TEMPLATES.length);
    const [name, template] = TEMPLATES[index % TEMPLATES.length] ?? TEMPLATES[0];
    return { name: `${FIRST_TIMESTAMP + index}_${name}`, ...template(tablesOf(group)) };
  });
}

function tablesOf(group: number): Tables {
  const inviter = `customer_${Math.max(0, group - 1)}`;
  return { customer: `customer_${group}`, purchase: `purchase_${group}`, inviter, group };
}

/** What has no call of its own in the builder is SQL in TypeScript migrations too. */
function sqlOnly(up: string, down: string): Omit<BenchMigration, "name"> {
  const call = (sql: string) => `pgm.sql(${JSON.stringify(sql)});`;
  return { up, down, builderUp: call(up), builderDown: call(down) };
}

const createCustomer: Template = ({ customer }) => ({
  up: `CREATE TABLE ${customer} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now()
);`,
  down: `DROP TABLE ${customer};`,
  builderUp: `pgm.createTable("${customer}", {
    id: { type: "bigint", primaryKey: true, sequenceGenerated: { precedence: "ALWAYS" } },
    email: { type: "text", notNull: true, unique: true },
    created_at: { type: "timestamptz", notNull: true, default: pgm.func("now()") },
  });`,
  builderDown: `pgm.dropTable("${customer}");`,
});

const createPurchase: Template = ({ customer, purchase }) => ({
  up: `CREATE TABLE ${purchase} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES ${customer} ON DELETE CASCADE,
  amount numeric(12, 2) NOT NULL CHECK (amount >= 0),
  note text
);`,
  down: `DROP TABLE ${purchase};`,
  builderUp: `pgm.createTable("${purchase}", {
    id: { type: "bigint", primaryKey: true, sequenceGenerated: { precedence: "ALWAYS" } },
    customer_id: { type: "bigint", notNull: true, references: "${customer}", onDelete: "CASCADE" },
    amount: { type: "numeric(12, 2)", notNull: true, check: "amount >= 0" },
    note: { type: "text" },
  });`,
  builderDown: `pgm.dropTable("${purchase}");`,
});

const indexPurchase: Template = ({ purchase }) => ({
  up: `CREATE INDEX ${purchase}_customer_id_index ON ${purchase} (customer_id);`,
  down: `DROP INDEX ${purchase}_customer_id_index;`,
  builderUp: `pgm.createIndex("${purchase}", "customer_id");`,
  builderDown: `pgm.dropIndex("${purchase}", "customer_id");`,
});

const insertCustomers: Template = ({ customer }) =>
  sqlOnly(
    `INSERT INTO ${customer} (email)
SELECT 'customer' || n || '@example.com' FROM generate_series(1, ${CUSTOMERS}) AS n;`,
    `DELETE FROM ${customer};`,
  );

const insertPurchases: Template = ({ customer, purchase }) =>
  sqlOnly(
    `INSERT INTO ${purchase} (customer_id, amount)
SELECT id, id * 2.5 FROM ${customer}, generate_series(1, 4);`,
    `DELETE FROM ${purchase};`,
  );

const addStatus: Template = ({ customer }) => ({
  up: `ALTER TABLE ${customer} ADD COLUMN status text NOT NULL DEFAULT 'active';`,
  down: `ALTER TABLE ${customer} DROP COLUMN status;`,
  builderUp: `pgm.addColumns("${customer}", { status: { type: "text", notNull: true, default: "active" } });`,
  builderDown: `pgm.dropColumns("${customer}", ["status"]);`,
});

const TRIGGER_BODY = `
BEGIN
  NEW.note := coalesce(NEW.note, 'entered by ' || current_user);
  RETURN NEW;
END;
`;

const createTrigger: Template = ({ purchase, group }) => ({
  up: `CREATE FUNCTION fill_note_${group}() RETURNS trigger LANGUAGE plpgsql AS $$${TRIGGER_BODY}$$;
CREATE TRIGGER fill_note BEFORE INSERT ON ${purchase} FOR EACH ROW EXECUTE FUNCTION fill_note_${group}();`,
  down: `DROP FUNCTION fill_note_${group}() CASCADE;`,
  builderUp: `pgm.createTrigger("${purchase}", "fill_note", {
    when: "BEFORE", operation: "INSERT", level: "ROW", language: "plpgsql", function: "fill_note_${group}",
  }, ${JSON.stringify(TRIGGER_BODY)});`,
  builderDown: `pgm.dropFunction("fill_note_${group}", [], { cascade: true });`,
});

const addCurrency: Template = ({ purchase }) => ({
  up: `ALTER TABLE ${purchase} ADD COLUMN currency text;
UPDATE ${purchase} SET currency = 'EUR';
ALTER TABLE ${purchase} ALTER COLUMN currency SET NOT NULL;`,
  down: `ALTER TABLE ${purchase} DROP COLUMN currency;`,
  builderUp: `pgm.addColumns("${purchase}", { currency: { type: "text" } });
  pgm.sql("UPDATE ${purchase} SET currency = 'EUR';");
  pgm.alterColumn("${purchase}", "currency", { notNull: true });`,
  builderDown: `pgm.dropColumns("${purchase}", ["currency"]);`,
});

const addInviter: Template = ({ customer, inviter }) => ({
  up: `ALTER TABLE ${customer} ADD COLUMN invited_by bigint REFERENCES ${inviter};`,
  down: `ALTER TABLE ${customer} DROP COLUMN invited_by;`,
  builderUp: `pgm.addColumns("${customer}", { invited_by: { type: "bigint", references: "${inviter}" } });`,
  builderDown: `pgm.dropColumns("${customer}", ["invited_by"]);`,
});

const TEMPLATES: readonly [readonly [string, Template], ...(readonly [string, Template])[]] = [
  ["create-customer", createCustomer],
  ["create-purchase", createPurchase],
  ["index-purchase", indexPurchase],
  ["insert-customers", insertCustomers],
  ["insert-purchases", insertPurchases],
  ["add-status", addStatus],
  ["create-note-trigger", createTrigger],
  ["add-currency", addCurrency],
  ["add-inviter", addInviter],
];
