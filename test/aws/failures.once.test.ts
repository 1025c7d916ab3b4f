import { failing } from "./scenarios/failing.ts";
import { interrupted } from "./scenarios/interrupted.ts";
import { returns } from "./scenarios/returns.ts";
import { rollback } from "./scenarios/rollback.ts";
import { playOnAws } from "./world.ts";

playOnAws(failing, rollback, returns, interrupted);
