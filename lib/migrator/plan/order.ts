export { compareMigrations, inRunningOrder } from "../../core/index.ts";
