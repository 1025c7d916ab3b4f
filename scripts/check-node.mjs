// Imported before anything else by the programs of this package: the rest uses what older versions of Node.js do not
// have, and would end in a stack trace. Written so that these versions can read it.
const [major, minor] = process.versions.node.split(".").map(Number);

if (!(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19))) {
  process.stderr.write(
    "cdk-pg-migrate needs Node.js 20.19 or a later 20, or 22.12 or newer; this is " +
      process.versions.node +
      " (" +
      process.execPath +
      ").\n",
  );
  process.exit(1);
}
