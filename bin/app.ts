import { createApp } from "../lib/app-stack.ts";

createApp().synth();
