/** The app with a setting that RDS would refuse after ten minutes of deploying. */
import { App } from "aws-cdk-lib";
import * as rds from "aws-cdk-lib/aws-rds";
import { AppStack } from "../../lib/app-stack.ts";

const app = new App();
const { database } = new AppStack(app, "app", { profile: "dev" });
const instance = database.instance.node.defaultChild;
if (instance instanceof rds.CfnDBInstance) instance.backupRetentionPeriod = 40;
app.synth();
