// Makes the pictures of docs/reports.md: a report on a small shop, as a browser shows it. Needs Chromium.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const IMAGES = join(ROOT, "docs", "images");
const BROWSER = process.env.CHROMIUM ?? "/usr/bin/chromium";

const APPLIED = {
  "1_shop.sql": `CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, name text);
CREATE TABLE products (id bigint PRIMARY KEY, title text NOT NULL, price numeric(10, 2) NOT NULL);`,
  "2_orders.sql": `CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, placed_at timestamptz);
CREATE TABLE order_lines (order_id bigint REFERENCES orders, product_id bigint REFERENCES products, quantity int NOT NULL,
  PRIMARY KEY (order_id, product_id));
CREATE TABLE audit_log (id bigint PRIMARY KEY, entry jsonb);`,
};

const PENDING = {
  "3_add-invoices.sql": `-- Up Migration
-- One invoice for each order, at most.
CREATE TABLE invoices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id bigint NOT NULL UNIQUE REFERENCES orders,
  total numeric(10, 2) NOT NULL CHECK (total >= 0),
  paid_at timestamptz
);
ALTER TABLE customers ADD COLUMN vat_number text;
-- Down Migration
ALTER TABLE customers DROP COLUMN vat_number;
DROP TABLE invoices;`,
  "4_index-orders.sql": `-- Up Migration
CREATE INDEX orders_placed_at_idx ON orders (placed_at);
-- Down Migration
DROP INDEX orders_placed_at_idx;`,
  "5_drop-audit-log.sql": `-- irreversible: the archive has the entries
DROP TABLE audit_log;`,
};

const project = mkdtempSync(join(tmpdir(), "cdk-pg-migrate-images-"));
try {
  write(APPLIED);
  run("up", "--local");
  write(PENDING);
  run("report", "--local", "--output", "report.html");
  await takePictures(pathToFileURL(join(project, "report.html")).href);
} finally {
  run("db:reset");
  rmSync(project, { recursive: true });
}

function write(migrations) {
  mkdirSync(join(project, "migrations"), { recursive: true });
  for (const [name, sql] of Object.entries(migrations)) writeFileSync(join(project, "migrations", name), sql);
}

function run(...args) {
  execFileSync(process.execPath, [join(ROOT, "bin", "run.mjs"), ...args], { cwd: project, stdio: "inherit" });
}

async function takePictures(url) {
  mkdirSync(IMAGES, { recursive: true });
  const browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
  const open = async (width, height, colorScheme) => {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(url);
    return page;
  };
  const light = await open(960, 860, "light");
  await light.screenshot({ path: join(IMAGES, "report-light.png") });
  const dark = await open(960, 560, "dark");
  await dark.getByText("Schema after").evaluate((heading) => heading.scrollIntoView());
  await dark.screenshot({ path: join(IMAGES, "report-dark.png") });
  const phone = await open(375, 760, "light");
  await phone.screenshot({ path: join(IMAGES, "report-phone.png") });
  await browser.close();
}
