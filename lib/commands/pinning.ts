import { type Approval, planDigest } from "../core/index.ts";
import type { DownOptions, Migrator, RestOfRun, UpOptions } from "../engine/index.ts";

/** A request that can be repeated: it names the migrations that it takes. */
export interface Pinned {
  readonly input: object;
  readonly rest?: RestOfRun;
}

/** The last migration that `up` takes instead of their number. */
export function pinUp(migrator: Migrator, { count, ...input }: UpOptions): Promise<Pinned> | undefined {
  if (count === undefined) return undefined;
  return migrator.selectUp({ count, ...input }).then((names) => {
    const to = names.at(-1);
    return { input: to === undefined ? { count, ...input } : { ...input, to } };
  });
}

export async function pinDown(
  migrator: Migrator,
  input: DownOptions & { readonly plan?: string },
): Promise<Pinned> {
  const undo = await migrator.selectDown(input);
  const { plan, ...extent } = input;
  const planned = plan === undefined ? undefined : await migrator.planDown(extent);
  // The run says what differs.
  if (planned === undefined || planned.digest !== plan) return { input, rest: { undo } };
  const { action, head, schema, steps } = planned;
  const approved = {
    action,
    digest: plan,
    head,
    schema,
    steps: steps.map((step) => ({ ...step, sql: null })),
  };
  return { input, rest: { undo, approved } };
}

/** What a `down` is held to: the plan with the digest that was approved, as far as that plan is known. */
export function approvalOf(plan: string | undefined, rest: RestOfRun | undefined): Approval | undefined {
  const known = rest?.approved;
  return known !== undefined && known.digest === plan && planDigest(known) === plan ? known : plan;
}

export async function pinRedo(migrator: Migrator, input: DownOptions): Promise<Pinned> {
  const undo = await migrator.selectDown(input);
  return { input, rest: { undo, apply: undo.toReversed() } };
}
