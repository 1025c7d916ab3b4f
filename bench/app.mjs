// A user's CDK app. Arguments: the package's entry, the folder of migrations, the folder for the assembly, and the PEM
// of the database's certificate.
import { App, Stack } from "aws-cdk-lib";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";

const [, , entry, migrationsDir, outdir, ca] = process.argv;
const { PostgresMigrations } = await import(entry);
const app = new App({ outdir });
const stack = new Stack(app, "Bench");
const secretArn = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:bench-AbCdEf";
new PostgresMigrations(stack, "Migrations", {
  migrationsDir,
  database: { host: "localhost", ca },
  databaseName: "bench",
  secret: Secret.fromSecretCompleteArn(stack, "Secret", secretArn),
  vpc: new Vpc(stack, "Vpc"),
});
app.synth();
