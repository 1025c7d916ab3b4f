import { describe, expect, test } from "@jest/globals";
import pg from "pg";
import { startTlsServer, type TlsServer } from "./tls.ts";

describe("the TLS server", () => {
  test("the TLS server is trusted by its own authority only, and refuses connections without TLS when told to", async () => {
    await withServer({ required: true }, async (server) => {
      expect(await usesTls(server, { ca: server.ca })).toBe(true);
      await expect(usesTls(server, { ca: server.otherCa })).rejects.toMatchObject({
        code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/),
      });
      await expect(usesTls(server, false)).rejects.toMatchObject({ code: "28000" });
    });
  });

  test("the TLS server may be certified for another host, and takes plain connections otherwise", async () => {
    await withServer({ certifiedFor: "elsewhere.example" }, async (server) => {
      await expect(usesTls(server, { ca: server.ca })).rejects.toMatchObject({
        code: "ERR_TLS_CERT_ALTNAME_INVALID",
      });
      expect(await usesTls(server, false)).toBe(false);
    });
  });
});

async function withServer(
  options: Parameters<typeof startTlsServer>[0],
  run: (server: TlsServer) => Promise<void>,
): Promise<void> {
  const server = await startTlsServer(options);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

async function usesTls({ plain }: TlsServer, ssl: false | { ca: string }): Promise<boolean | undefined> {
  const { host, port, database, user, password } = plain;
  const client = new pg.Client({ host, port, database, user, password, ssl });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    return (await client.query<{ ssl: boolean }>(sql)).rows[0]?.ssl;
  } finally {
    await client.end();
  }
}
