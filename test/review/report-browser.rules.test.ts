import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { drawPicture, renderHtml } from "../../lib/review/report/index.ts";
import { CHROMIUM, startBrowser } from "../support/chromium.ts";
import { FULL_REPORT } from "./report-model.ts";

const isLeftOut = CHROMIUM === undefined && !process.env["CI"];
if (isLeftOut)
  process.stderr.write("Chromium is not installed: the tests of the report in it are left out\n");

/** Runs in the page. */
const MEASURE_CONTRAST = readFileSync(new URL("./measure-contrast.js", import.meta.url), "utf8");

const THEMES = ["light", "dark"] as const;

(isLeftOut ? describe.skip : describe)("the HTML report in a browser", () => {
  let browser: Browser;
  let drawn = "";
  let listed = "";
  beforeAll(async () => {
    browser = await startBrowser();
    const { before, after } = FULL_REPORT.schema;
    const picture = after && (await drawPicture(after));
    drawn = renderHtml(FULL_REPORT, { before: await drawPicture(before), after: picture });
    listed = renderHtml(FULL_REPORT, { before: undefined, after: undefined });
  }, 60_000);
  afterAll(() => browser?.close());

  async function withPage(
    content: string,
    options: { readonly width: number; readonly theme: (typeof THEMES)[number] },
    look: (page: Page, requested: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const page = await browser.newPage({
      viewport: { width: options.width, height: 800 },
      colorScheme: options.theme,
    });
    const requested: string[] = [];
    page.on("request", (request) => requested.push(request.url()));
    page.on("dialog", (dialog) => requested.push(dialog.message()));
    try {
      await page.route("**/*", (route) =>
        route.request().url() === "http://report.test/"
          ? route.fulfill({ contentType: "text/html", body: content })
          : route.abort(),
      );
      await page.goto("http://report.test/");
      await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
      await look(page, requested);
    } finally {
      await page.close();
    }
  }

  test("the report shows its diagrams as pictures, runs no script and requests nothing", () =>
    withPage(drawn, { width: 1000, theme: "light" }, async (page, requested) => {
      expect(await page.locator(".erd svg").count()).toBe(2);
      expect(await page.locator(".erd svg text", { hasText: /^dropped$/ }).count()).toBe(1);
      expect(await page.locator("script, img, link, iframe").count()).toBe(0);
      expect(await page.title()).toMatch(/^Migrations of <script>/);
      expect(requested).toEqual(["http://report.test/"]);
    }));

  test("without the package for pictures the report lists the tables, and says what is missing", () =>
    withPage(listed, { width: 1000, theme: "light" }, async (page) => {
      expect(await page.locator("svg").count()).toBe(0);
      expect(await page.locator(".table h4", { hasText: "kept changed" }).count()).toBe(1);
      expect(await page.getByText("npm install --save-dev @hpcc-js/wasm-graphviz").count()).toBe(2);
    }));

  test.each(["drawn", "listed"])(
    "a phone of 375 pixels shows the report without scrolling sideways (%s)",
    (which) =>
      withPage(which === "drawn" ? drawn : listed, { width: 375, theme: "light" }, async (page) => {
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(375);
      }),
  );

  test.each(THEMES.flatMap((theme) => [["drawn", theme] as const, ["listed", theme] as const]))(
    "every text of the report (%s, %s theme) has the contrast that WCAG AA asks for",
    (which, theme) =>
      withPage(which === "drawn" ? drawn : listed, { width: 1000, theme }, async (page) => {
        const height = Number(await page.evaluate("document.documentElement.scrollHeight"));
        await page.setViewportSize({ width: 1000, height });
        expect(await page.evaluate(MEASURE_CONTRAST)).toEqual({ checked: true, poor: [] });
      }),
  );
});
