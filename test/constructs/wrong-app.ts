/**
 * The app in both profiles, and once more with a setting that RDS would refuse after ten minutes of deploying: CDK
 * looks at all of them at once, because getting ready to takes it longer than all the rest of a synth.
 */
import { App } from "aws-cdk-lib";
import * as rds from "aws-cdk-lib/aws-rds";
import { AppStack } from "../../lib/app-stack.ts";

const app = new App();
new AppStack(app, "right-prod", { profile: "prod" });
new AppStack(app, "right-dev", { profile: "dev" });
const { database } = new AppStack(app, "wrong", { profile: "dev" });
const instance = database.instance.node.defaultChild;
if (instance instanceof rds.CfnDBInstance) instance.backupRetentionPeriod = 40;
app.synth();
