/**
 * What Lambda's Node runtime does as far as a handler can tell. `sandbox.ts` runs it in a process of its own, by plain
 * Node: it may import nothing but Node. With an error it logs what the real one logs: every enumerable property.
 */
import { access } from "node:fs/promises";
import { request } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const {
  _HANDLER,
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  AWS_LAMBDA_FUNCTION_NAME,
  AWS_LAMBDA_FUNCTION_VERSION,
  AWS_LAMBDA_LOG_FORMAT,
  AWS_LAMBDA_LOG_GROUP_NAME,
  AWS_LAMBDA_LOG_LEVEL,
  AWS_LAMBDA_LOG_STREAM_NAME,
  AWS_LAMBDA_RUNTIME_API,
  LAMBDA_TASK_ROOT,
} = process.env;

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

let requestId;

patchConsole();
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, async (error) => {
    logError(error);
    const path = requestId === undefined ? "init/error" : `invocation/${requestId}/error`;
    await call("POST", path, JSON.stringify(describe(error))).catch(() => {});
    process.exit(129);
  });
}

const handler = await loadHandler().catch(async (error) => {
  logError(error);
  await call("POST", "init/error", JSON.stringify(describe(error)));
  process.exit(1);
});
for (;;) await serve(await call("GET", "invocation/next"));

async function serve({ headers, body }) {
  requestId = headers["lambda-runtime-aws-request-id"];
  const [path, answer] = await answerTo(JSON.parse(body), contextOf(headers));
  await call("POST", `invocation/${requestId}/${path}`, answer);
  // Tells the sandbox that it has read all that this invocation wrote.
  for (const stream of [process.stdout, process.stderr]) stream.write(`\0end ${requestId}\n`);
  requestId = undefined;
}

async function answerTo(event, context) {
  try {
    return ["response", JSON.stringify((await handler(event, context)) ?? null)];
  } catch (error) {
    logError(error);
    return ["error", JSON.stringify(describe(error))];
  }
}

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId: requestId,
    callbackWaitsForEmptyEventLoop: true,
    functionName: AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: AWS_LAMBDA_FUNCTION_VERSION,
    getRemainingTimeInMillis: () => deadline - Date.now(),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    logGroupName: AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: AWS_LAMBDA_LOG_STREAM_NAME,
    memoryLimitInMB: AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
  };
}

async function loadHandler() {
  const dot = _HANDLER.lastIndexOf(".");
  const exported = await loadModule(join(LAMBDA_TASK_ROOT, _HANDLER.slice(0, dot)));
  const found = exported[_HANDLER.slice(dot + 1)];
  if (typeof found === "function") return found;
  throw Object.assign(new Error(`${_HANDLER} is undefined or not exported`), {
    name: "Runtime.HandlerNotFound",
  });
}

/** In the order in which the real one looks. */
async function loadModule(path) {
  if (await exists(`${path}.js`)) return createRequire(`${LAMBDA_TASK_ROOT}/`)(`${path}.js`);
  if (await exists(`${path}.mjs`)) return import(pathToFileURL(`${path}.mjs`));
  return createRequire(`${LAMBDA_TASK_ROOT}/`)(`${path}.cjs`);
}

function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** With the JSON log format, what goes through `console` is put into an object of the runtime's; the rest is not. */
function patchConsole() {
  const levels = { debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", trace: "TRACE" };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...parts) => log(level, parts);
  }
}

function log(level, parts) {
  const timestamp = new Date().toISOString();
  if (AWS_LAMBDA_LOG_FORMAT !== "JSON") {
    const text = format(...parts).replaceAll("\n", "\r");
    return process.stdout.write(`${timestamp}\t${requestId}\t${level}\t${text}\n`);
  }
  if (LEVELS.indexOf(level) < LEVELS.indexOf(AWS_LAMBDA_LOG_LEVEL)) return;
  const message = parts.length === 1 ? parts[0] : format(...parts);
  process.stdout.write(`${JSON.stringify({ timestamp, level, requestId, message }, withErrors)}\n`);
}

function logError(error) {
  log(
    "ERROR",
    AWS_LAMBDA_LOG_FORMAT === "JSON" ? [error] : ["Invoke Error", JSON.stringify(error, withErrors)],
  );
}

function withErrors(_, value) {
  if (!(value instanceof Error)) return value;
  const stack = String(value.stack).split("\n");
  return { errorType: value.name, errorMessage: value.message, code: value.code, ...value, stack };
}

function describe(error) {
  if (!(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return { errorType: error.name, errorMessage: error.message, trace: String(error.stack).split("\n") };
}

function call(method, path, body) {
  const url = `http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/${path}`;
  return new Promise((resolve, reject) => {
    const asked = request(url, { method }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.once("end", () => {
        resolve({ headers: response.headers, body: Buffer.concat(chunks).toString("utf8") });
      });
      response.once("error", reject);
    });
    asked.once("error", reject);
    asked.end(body);
  });
}
