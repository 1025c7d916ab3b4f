import { direction } from "./scenarios/direction.ts";
import { green } from "./scenarios/green.ts";
import { playOnAws } from "./world.ts";

playOnAws(direction, green);
