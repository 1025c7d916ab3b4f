import { type Browser, chromium } from "playwright-core";
import { findProgram } from "./programs.ts";

/** Path of the browser, where this machine has one. In CI it must have one. */
export const CHROMIUM = findProgram([
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
]);

export function startBrowser(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error("Chromium is not installed: apt-get install chromium");
  // Its sandbox does not start as root.
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}
