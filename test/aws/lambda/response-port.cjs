// The provider framework puts its answer to port 443 of the host it is told. A test may not listen there.
const { RESPONSE_PORT } = process.env;
require("node:https").globalAgent.defaultPort = Number(RESPONSE_PORT);
