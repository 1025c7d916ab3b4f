import { randomBytes } from "node:crypto";
import * as v from "valibot";
import { MigrationError } from "../../lib/core/index.ts";
import { ENV } from "../contract.ts";
import type { SecretContent } from "../runtime/credentials.ts";
import { tryLogin } from "../runtime/engine.ts";
import type { Invocation } from "../runtime/invocation.ts";
import { problemsOf } from "../runtime/schema.ts";
import { type Environment, readSettings, type Settings } from "../runtime/settings.ts";
import { cloneOf, type OwnRole, setLogin, withRolesLocked } from "./logins.ts";
import { otherUser } from "./role.ts";
import { SecretVersions } from "./secret-versions.ts";

const Request = v.object({
  Step: v.picklist(["createSecret", "setSecret", "testSecret", "finishSecret"]),
  SecretId: v.string(),
  ClientRequestToken: v.string(),
});

const text = v.pipe(v.string(), v.nonEmpty());
const RoleEnvironment = v.object({ [ENV.role]: text, [ENV.roleResource]: text, [ENV.roleSecretArn]: text });

/** One step of a rotation, as Secrets Manager asks for it. */
export interface RotationRequest {
  readonly step: v.InferOutput<typeof Request>["Step"];
  readonly own: OwnRole;
  readonly secretArn: string;
  /** Id of the version that is to become the current one. */
  readonly version: string;
}

/** @throws MigrationError `USAGE` for another secret than that of the role */
export function parseRotation(event: unknown, env: Environment): RotationRequest {
  const parsed = v.safeParse(Request, event);
  if (!parsed.success) {
    throw new MigrationError("USAGE", `this is no step of a rotation: ${problemsOf(parsed.issues)}`, {
      hint: "Only Secrets Manager calls this function: rotate with `aws secretsmanager rotate-secret`.",
    });
  }
  const { Step: step, SecretId: secretArn, ClientRequestToken: version } = parsed.output;
  const ours = v.parse(RoleEnvironment, env);
  const own = { role: ours[ENV.role], resource: ours[ENV.roleResource] };
  if (secretArn !== ours[ENV.roleSecretArn]) {
    throw new MigrationError("USAGE", `this function rotates the secret of ${own.role}, not ${secretArn}`, {
      hint: "Give the other secret a rotation of its own.",
    });
  }
  return { step, own, secretArn, version };
}

/**
 * Carries out one step. The new password is that of the user who is not in use: the current one stays valid until the next
 * rotation, whatever happens to this one. Each step can be repeated.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
 * @throws MigrationError
 */
export async function rotate(
  request: RotationRequest,
  invocation: Invocation,
  env: Environment,
): Promise<void> {
  const settings = readSettings(env);
  const versions = new SecretVersions(request.secretArn);
  try {
    const stages = await versions.stages();
    const own = stages[request.version] ?? [];
    if (own.includes("AWSCURRENT")) return invocation.log.info("the version is the current one already");
    if (!own.includes("AWSPENDING")) throw notPending(request);
    const current = Object.keys(stages).find((id) => stages[id]?.includes("AWSCURRENT"));
    await STEPS[request.step]({ request, invocation, settings, versions, current });
  } finally {
    versions.close();
  }
}

interface Scene {
  readonly request: RotationRequest;
  readonly invocation: Invocation;
  readonly settings: Settings;
  readonly versions: SecretVersions;
  /** Id of the current version. */
  readonly current: string | undefined;
}

const STEPS: Readonly<Record<RotationRequest["step"], (scene: Scene) => Promise<void>>> = {
  async createSecret({ request, versions }) {
    const { role } = request.own;
    if ((await versions.pending(request.version)) !== undefined) return;
    const current = await versions.current();
    const username = current.username === role ? cloneOf(role) : role;
    await versions.writePending(request.version, { ...current, username, password: newPassword() });
  },
  async setSecret(scene) {
    const { request, invocation, settings } = scene;
    const credentials = await pendingOf(scene);
    await withRolesLocked(invocation, settings, (session) => setLogin(session, request.own, credentials));
  },
  async testSecret(scene) {
    await tryLogin(scene.invocation, scene.settings, await pendingOf(scene));
  },
  async finishSecret({ request, versions, current }) {
    await versions.makeCurrent(request.version, current).catch(async (error: unknown) => {
      const stages = await versions.stages();
      // Another request for the same step may have been faster.
      if (!stages[request.version]?.includes("AWSCURRENT")) throw error;
    });
  },
};

/** Letters, digits, `-` and `_`: no connection string or shell needs to escape them. */
function newPassword(): string {
  return randomBytes(24).toString("base64url");
}

async function pendingOf({ request, invocation, versions }: Scene): Promise<SecretContent> {
  const pending = await versions.pending(request.version);
  if (pending === undefined) throw notPending(request);
  invocation.redactor.hide(pending.password);
  const { role } = request.own;
  if ([role, cloneOf(role)].includes(pending.username)) return pending;
  throw otherUser(role, request.secretArn);
}

function notPending({ version, secretArn }: RotationRequest): MigrationError {
  return new MigrationError("SECRET", `the version ${version} of the secret is not pending (${secretArn})`, {
    hint: "Rotate the secret again: aws secretsmanager rotate-secret.",
  });
}
