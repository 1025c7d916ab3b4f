import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type Changes, functionName, settingsOf } from "./functions.ts";
import { evaluate, type Json, type Physical, text, withTextScalars } from "./intrinsics.ts";
import { type Outside, physicalNames, STACK_ID } from "./physical-names.ts";
import { readResponse } from "./response-server.ts";
import type { Services } from "./services.ts";
import type { Execution } from "./step-functions.ts";
import { type Assembly, isFrameworkEntry, type TemplateMachine } from "./template.ts";

/** What CloudFormation made of a custom resource's answer. */
export interface Answer {
  readonly status: "SUCCESS" | "FAILED";
  readonly reason: string;
  readonly data: Readonly<Record<string, string>>;
  readonly physicalId: string;
  /** Everything that was put to the response's address. */
  readonly bodies: readonly string[];
  readonly milliseconds: number;
}

interface Version {
  readonly assembly: Assembly;
  readonly properties: Json;
}

interface Request {
  readonly type: "Create" | "Update" | "Delete";
  readonly properties: Json;
  readonly oldProperties?: Json;
  readonly physicalId?: string;
}

export interface StackSettings extends Changes {
  readonly outside: Outside;
  /** Secret part of the addresses for responses. */
  readonly signature: string;
}

/** CloudFormation with one stack, as far as its functions and its custom resource. */
export class Stack {
  readonly #services: Services;
  readonly #settings: StackSettings;
  #physicalId: string | undefined;
  #data: Readonly<Record<string, string>> = {};
  #current: Version | undefined;
  #previous: Version | undefined;
  /** How often each event is delivered; more than once at the same time. */
  deliveries = 1;

  constructor(services: Services, settings: StackSettings) {
    this.#services = services;
    this.#settings = settings;
  }

  /** Makes functions and state machines, and no custom resource. */
  async install(assembly: Assembly): Promise<Version> {
    this.#current = await this.#install(assembly);
    return this.#current;
  }

  async create(assembly: Assembly): Promise<Answer> {
    const version = await this.install(assembly);
    this.#services.cloudFormation.status = "CREATE_IN_PROGRESS";
    return this.#send(assembly, { type: "Create", properties: version.properties });
  }

  /** @returns undefined when CloudFormation sees no difference and asks nobody */
  async update(assembly: Assembly): Promise<Answer | undefined> {
    const old = required(this.#current, "the stack does not exist");
    const version = await this.#install(assembly);
    requireSameService(old, version);
    this.#previous = old;
    this.#current = version;
    if (isDeepStrictEqual(old.properties, version.properties)) return undefined;
    this.#services.cloudFormation.status = "UPDATE_IN_PROGRESS";
    return this.#change(assembly, old, version);
  }

  /**
   * What follows when the update's own event or a later resource failed: the same event with the properties reversed.
   * AWS does not say whether the function has its old code back by then.
   */
  async rollBack(handledBy: "old code" | "new code"): Promise<Answer> {
    const from = required(this.#current, "the stack does not exist");
    const to = required(this.#previous, "there was no update");
    if (handledBy === "old code") await this.#install(to.assembly);
    this.#services.cloudFormation.status = "UPDATE_ROLLBACK_IN_PROGRESS";
    const answer = await this.#change((handledBy === "old code" ? to : from).assembly, from, to);
    await this.#install(to.assembly);
    this.#current = to;
    this.#previous = undefined;
    return answer;
  }

  /** @param status of the stack: another one when the deletion is the rollback of a first deploy */
  async delete(status = "DELETE_IN_PROGRESS"): Promise<Answer> {
    this.#services.cloudFormation.status = status;
    const { assembly, properties } = required(this.#current, "the stack does not exist");
    return this.#send(assembly, { type: "Delete", properties, ...this.#known() });
  }

  /** Calls a function of the stack directly, as `aws lambda invoke` does. */
  async invoke(handler: string, payload: unknown): Promise<{ failed: boolean; payload: unknown }> {
    const answer = await this.#services.lambda.invoke(this.functionName(handler), JSON.stringify(payload));
    return { failed: answer.failed, payload: JSON.parse(answer.payload) };
  }

  functionName(handler: string): string {
    const { assembly } = required(this.#current, "the stack does not exist");
    return this.functionNameIn(assembly, handler);
  }

  functionNameIn(assembly: Assembly, handler: string): string {
    return functionName(
      required(
        assembly.functions.find((found) => found.handler === handler),
        `no function with handler ${handler}`,
      ),
    );
  }

  /** Starts the one state machine whose logical id has this in it, and waits for its end. */
  async execute(machine: string, input: unknown, name?: string): Promise<Execution> {
    const { stepFunctions } = this.#services;
    const arn = this.stateMachineArn(machine);
    return stepFunctions.ended(stepFunctions.startExecution(arn, JSON.stringify(input), name).executionArn);
  }

  stateMachineArn(machine: string): string {
    const { assembly } = required(this.#current, "the stack does not exist");
    const found = Object.keys(assembly.stateMachines).filter((id) => id.includes(machine));
    const [id, ...others] = found;
    if (id === undefined || others.length > 0) throw new Error(`state machines with ${machine}: ${found}`);
    return text({ Ref: id }, this.#physical(assembly));
  }

  /** Value of the template's output. */
  output(name: string): string {
    const { assembly } = required(this.#current, "the stack does not exist");
    return text(required(assembly.outputs[name], `no output ${name}`).Value, this.#physical(assembly));
  }

  #change(answering: Assembly, from: Version, to: Version): Promise<Answer> {
    return this.#send(answering, {
      type: "Update",
      properties: to.properties,
      oldProperties: from.properties,
      ...this.#known(),
    });
  }

  async #install(assembly: Assembly): Promise<Version> {
    const physical = this.#physical(assembly);
    for (const settings of settingsOf(assembly, physical, this.#services, this.#settings)) {
      await this.#services.lambda.install(settings);
    }
    for (const [id, machine] of Object.entries(assembly.stateMachines)) {
      this.#services.stepFunctions.install(text({ Ref: id }, physical), definitionOf(machine, physical));
    }
    const properties = evaluate(assembly.customResource.properties, physical);
    return { assembly, properties: withTextScalars(properties ?? {}) };
  }

  async #send(assembly: Assembly, request: Request): Promise<Answer> {
    const { customResource, functions } = assembly;
    const slot = this.#services.responses.open(this.#settings.signature);
    const ids = {
      StackId: STACK_ID,
      RequestId: randomUUID(),
      LogicalResourceId: customResource.logicalId,
    };
    const event = JSON.stringify({
      ...ids,
      RequestType: request.type,
      ServiceToken: text(customResource.properties["ServiceToken"], this.#physical(assembly)),
      ResponseURL: slot.url,
      ResourceType: customResource.type,
      PhysicalResourceId: request.physicalId,
      ResourceProperties: request.properties,
      OldResourceProperties: request.oldProperties,
    });
    const framework = functionName(required(functions.find(isFrameworkEntry), "no provider framework"));
    const startedAt = performance.now();
    const invocations = await Promise.all(
      Array.from({ length: this.deliveries }, () => this.#services.lambda.invoke(framework, event)),
    );
    await this.#services.stepFunctions.waitersEnded();
    const [body] = slot.bodies;
    if (body === undefined) throw new Error(`no answer: ${JSON.stringify(invocations)}`);
    const response = readResponse(body);
    const { StackId, RequestId, LogicalResourceId } = response;
    if (!isDeepStrictEqual({ StackId, RequestId, LogicalResourceId }, ids)) {
      throw new Error(`CloudFormation ignores an answer with other ids: ${body}`);
    }
    const answer: Answer = {
      status: response.Status,
      reason: response.Reason ?? "",
      data: response.Data ?? {},
      physicalId: response.PhysicalResourceId,
      bodies: slot.bodies,
      milliseconds: performance.now() - startedAt,
    };
    await this.#take(assembly, request, answer);
    return answer;
  }

  /** A changed id means that the resource was replaced: the old one is deleted. */
  async #take(assembly: Assembly, { type, properties }: Request, answer: Answer): Promise<void> {
    const old = this.#physicalId;
    if (type === "Delete") return;
    if (type === "Update" && answer.status === "FAILED") return;
    this.#physicalId = answer.physicalId;
    if (answer.status === "SUCCESS") this.#data = answer.data;
    if (old === undefined || old === answer.physicalId) return;
    await this.#send(assembly, { type: "Delete", properties, physicalId: old });
  }

  #known(): { readonly physicalId?: string } {
    return this.#physicalId === undefined ? {} : { physicalId: this.#physicalId };
  }

  #physical(assembly: Assembly): Physical {
    return physicalNames(assembly, this.#settings.outside, this.#data);
  }
}

function definitionOf({ definition, substitutions }: TemplateMachine, physical: Physical): string {
  const values = Object.entries(substitutions).map(([key, value]) => [key, text(value, physical)] as const);
  return values.reduce(
    (whole, [key, value]) => whole.replaceAll(`\${${key}}`, () => value),
    text(definition, physical),
  );
}

/** CloudFormation refuses this before it asks anybody. */
function requireSameService(old: Version, next: Version): void {
  const [before, after] = [old, next].map(({ assembly: { customResource } }) =>
    JSON.stringify([customResource.logicalId, customResource.properties["ServiceToken"]]),
  );
  if (before !== after) {
    throw new Error(`Modifying service token is not allowed: ${before} became ${after}`);
  }
}

function required<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new Error(message);
  return value;
}
