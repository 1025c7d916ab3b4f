import { describe, expect, test } from "@jest/globals";
import * as v from "valibot";
import type { SecretAnswer } from "../cloud/secrets.ts";
import { type Scenarios, secretText } from "../environment.ts";
import { sql, tables } from "../migrations.ts";
import { appliedIn, untilHeldUp } from "../state.ts";

const DENIED = "User is not authorized to perform: secretsmanager:GetSecretValue";

const Credentials = v.object({ password: v.string() });

function useless(make: () => string): readonly (readonly [string, SecretAnswer, RegExp])[] {
  const text = (content: unknown): SecretAnswer => ({ kind: "text", text: JSON.stringify(content) });
  return [
    ["denied", { kind: "error", code: "AccessDeniedException", message: DENIED }, /role needs/],
    ["deleted", { kind: "error", code: "ResourceNotFoundException", message: "gone" }, /deleted/],
    ["out of reach", { kind: "cut" }, /interface endpoint/],
    ["binary", { kind: "binary", bytes: Buffer.from(make()) }, /binary/],
    ["no JSON", { kind: "text", text: `password=${make()}` }, /not JSON/],
    ["a list", text([make()]), /no object/],
    ["of other keys", text({ user: "me", pass: make() }), /its keys are pass, user/],
    ["without a user", text({ username: 1, password: make() }), /username/],
    ["with an empty password", text({ username: "me", password: "" }), /non-empty/],
  ];
}

export const secret: Scenarios = (aws) =>
  describe("the secret", () => {
    test("a secret that cannot be fetched or used fails the deploy, which says what to do", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, secretArn }) => {
        const version = await deployable(tables(1));
        for (const [what, answer, reason] of useless(() => aws().secrets.make(""))) {
          services.secrets.put(secretArn, () => answer);
          const created = await stack.create(version);
          expect([what, created]).toMatchObject([
            what,
            { status: "FAILED", reason: expect.stringMatching(reason) },
          ]);
          expect(created.reason).toMatch(/^SECRET: /);
          expect(created.reason).toContain(secretArn);
        }
      });
    });

    test("every invocation asks for the secret, so that the password may change between two deploys", async () => {
      const { withStack, deployable, services, secrets } = aws();
      await withStack({}, async ({ stack, db, secretArn }) => {
        await stack.create(await deployable(tables(1)));
        const next = secrets.make("next'");
        await db.setPassword(next);
        services.secrets.put(secretArn, () => ({ kind: "text", text: secretText(db.owner, next) }));
        const forced = await stack.update(await deployable(tables(1), { forceRun: "again" }));
        expect(forced).toMatchObject({ status: "SUCCESS" });
      });
    });

    describe("when it rotates", () => {
      test("the secret is asked for again when it rotates between the answer and the connection", async () => {
        const { withStack, deployable, services, secrets } = aws();
        await withStack({}, async ({ stack, db, secretArn }) => {
          const next = secrets.make("next'");
          services.secrets.put(secretArn, async (call) => {
            if (call > 1) return { kind: "text", text: secretText(db.owner, next) };
            await db.setPassword(next);
            return { kind: "text", text: secretText(db.owner, db.password) };
          });
          expect(await stack.create(await deployable(tables(1)))).toMatchObject({ status: "SUCCESS" });
          expect(services.secrets.calls(secretArn)).toBe(2);
          expect(await appliedIn(db)).toEqual(["1_t1"]);
        });
      });

      test("a deploy uses the pending version of the secret when a rotation has changed the password only", async () => {
        const { withStack, deployable, services, secrets } = aws();
        await withStack({}, async ({ stack, db, secretArn }) => {
          const next = secrets.make("next'");
          await db.setPassword(next);
          services.secrets.putPending(secretArn, secretText(db.owner, next));
          expect(await stack.create(await deployable(tables(1)))).toMatchObject({ status: "SUCCESS" });
          expect(await appliedIn(db)).toEqual(["1_t1"]);
        });
      });

      // Which request for the secret is answered when the rotation takes its next step: its password is set, or it ends.
      test.each([
        ["sets the password", 1],
        ["ends", 1],
        ["ends", 2],
        ["ends", 3],
      ] as const)(
        "a deploy connects when a rotation %s just after request %i for the secret",
        async (what, at) => {
          const { withStack, deployable, services, secrets } = aws();
          await withStack({}, async ({ stack, db, secretArn }) => {
            const version = services.secrets.putVersions(secretArn, secretText(db.owner, db.password));
            const next = secretText(db.owner, secrets.make("next'"));
            const id = version.begin();
            const change = { SecretId: secretArn, ClientRequestToken: id, SecretString: next };
            version.answer("PutSecretValue", { ...change, VersionStages: ["AWSPENDING"] });
            const setPassword = () => db.setPassword(v.parse(Credentials, JSON.parse(next)).password);
            if (what === "ends") await setPassword();
            let requests = 0;
            version.interrupt = async ({ moment }) => {
              if (moment === "before") return;
              requests += 1;
              if (requests === at) await (what === "ends" ? version.end(id) : setPassword());
            };
            expect(await stack.create(await deployable(tables(1)))).toMatchObject({ status: "SUCCESS" });
            expect(await appliedIn(db)).toEqual(["1_t1"]);
          });
        },
      );

      test("a run goes on with its connection when the secret rotates in the middle of it", async () => {
        const { withStack, deployable, secrets } = aws();
        await withStack({}, async ({ stack, db }) => {
          const created = stack.create(
            await deployable({ "1_slow.sql": sql("SELECT pg_sleep(3);"), ...tables(2) }),
          );
          await untilHeldUp(db);
          await db.setPassword(secrets.make("next'"));
          expect(await created).toMatchObject({ status: "SUCCESS" });
          expect(await appliedIn(db)).toEqual(["1_slow", "2_t2"]);
        });
      });

      test("a deploy fails after two more tries when the secret rotates and the new one is wrong too", async () => {
        const { withStack, deployable, services, secrets } = aws();
        await withStack({}, async ({ stack, db, secretArn }) => {
          await db.setPassword(secrets.make("another"));
          const created = await stack.create(await deployable(tables(1)));
          expect(created).toMatchObject({
            status: "FAILED",
            reason: expect.stringMatching(/^AUTH: .*28P01/),
          });
          expect(services.secrets.calls(secretArn)).toBe(3);
        });
      });
    });

    test("a call for the secret that is never answered is given up, and made three times in all", async () => {
      const { withStack, deployable, services } = aws();
      await withStack({}, async ({ stack, secretArn }) => {
        // Only the first one hangs: each that does costs the test five seconds.
        services.secrets.put(secretArn, (call) => (call === 1 ? { kind: "hang" } : { kind: "cut" }));
        const created = await stack.create(await deployable(tables(1)));
        expect(created).toMatchObject({
          status: "FAILED",
          reason: expect.stringMatching(/^SECRET: .*interface endpoint/s),
        });
        expect(services.secrets.calls(secretArn)).toBe(3);
      });
    });
  });
