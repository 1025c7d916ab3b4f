// Does what the Lambda runtime does: imports the deploy handler of an asset, and calls it with the event, if there is
// one. Prints how many milliseconds the import took.
const [, , handlerUrl, event] = process.argv;
const startedAt = performance.now();
const { handler } = await import(handlerUrl);
process.stdout.write(`${performance.now() - startedAt}\n`);
if (event !== undefined) {
  const end = Date.now() + 60_000;
  const ids = { awsRequestId: "bench", functionName: "bench", logGroupName: "bench" };
  await handler(JSON.parse(event), { ...ids, getRemainingTimeInMillis: () => end - Date.now() });
}
