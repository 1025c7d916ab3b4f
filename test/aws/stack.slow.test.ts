import { runScenarios } from "./environment.ts";
import { app } from "./scenarios/app.ts";
import { approved } from "./scenarios/approved.ts";
import { connection } from "./scenarios/connection.ts";
import { harness } from "./scenarios/harness.ts";
import { iam } from "./scenarios/iam.ts";
import { operators } from "./scenarios/operators.ts";
import { preflight } from "./scenarios/preflight.ts";
import { secrecy } from "./scenarios/secrecy.ts";
import { secret } from "./scenarios/secret.ts";

runScenarios(harness, app, approved, connection, secret, iam, operators, preflight, secrecy);
