import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import {
  CLIENT,
  parseSecret,
  type SecretContent,
  type SecretStage,
  secretError,
} from "../runtime/credentials.ts";

/** The versions of the secret of a role, as its rotation reads and writes them. */
export class SecretVersions {
  readonly arn: string;
  readonly #client = new SecretsManagerClient(CLIENT);

  constructor(arn: string) {
    this.arn = arn;
  }

  /** Stages of the versions that have any, by version id. */
  async stages(): Promise<Readonly<Record<string, readonly string[]>>> {
    const answer = await this.#asking("DescribeSecret", () =>
      this.#client.send(new DescribeSecretCommand({ SecretId: this.arn })),
    );
    return answer.VersionIdsToStages ?? {};
  }

  async current(): Promise<SecretContent> {
    const { SecretString } = await this.#asking("GetSecretValue", () => this.#get("AWSCURRENT"));
    return parseSecret(this.arn, SecretString);
  }

  /** Undefined if nothing has been written to the version yet. */
  async pending(version: string): Promise<SecretContent | undefined> {
    const answer = await this.#asking("GetSecretValue", () =>
      this.#get("AWSPENDING", version).catch(unlessNamed("ResourceNotFoundException")),
    );
    return answer === undefined ? undefined : parseSecret(this.arn, answer.SecretString);
  }

  /** Keeps what is there already: two requests for the same version may come at the same time. */
  async writePending(version: string, content: SecretContent): Promise<void> {
    const request = new PutSecretValueCommand({
      SecretId: this.arn,
      ClientRequestToken: version,
      SecretString: JSON.stringify(content),
      VersionStages: ["AWSPENDING"],
    });
    await this.#asking("PutSecretValue", () =>
      this.#client.send(request).catch(unlessNamed("ResourceExistsException")),
    );
  }

  async makeCurrent(version: string, instead: string | undefined): Promise<void> {
    const request = new UpdateSecretVersionStageCommand({
      SecretId: this.arn,
      VersionStage: "AWSCURRENT",
      MoveToVersionId: version,
      RemoveFromVersionId: instead,
    });
    await this.#asking("UpdateSecretVersionStage", () => this.#client.send(request));
  }

  close(): void {
    this.#client.destroy();
  }

  #get(stage: SecretStage, version?: string) {
    const request = new GetSecretValueCommand({
      SecretId: this.arn,
      VersionStage: stage,
      VersionId: version,
    });
    return this.#client.send(request);
  }

  async #asking<T>(action: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      throw secretError(this.arn, action, cause);
    }
  }
}

function unlessNamed(name: string): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Error && error.name === name) return undefined;
    throw error;
  };
}
