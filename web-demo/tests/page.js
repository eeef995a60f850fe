/** A page under test: a browser, one tab, and what can be read off it. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { root, serve } from "./serve.js";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{ node: number, term: number }} Leader */

const ARGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];

/** Virtual time is deterministic, real time on a busy machine is not: wait long before giving up. */
export const PATIENCE_MS = 60_000;

/**
 * Opens the page at `search`, runs `use`, and ends everything it started. Any error in the console
 * fails.
 *
 * @param {string} search
 * @param {(page: Page) => Promise<void>} use
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function withPage(search, use, options) {
  const executablePath = process.env["CHROMIUM"];
  if (executablePath === undefined) {
    throw new Error("set CHROMIUM to the path of a Chromium");
  }
  const server = await serve();
  try {
    const browser = await chromium.launch({ executablePath, headless: true, args: ARGS });
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options });
      page.setDefaultTimeout(PATIENCE_MS);
      /** @type {string[]} */
      const errors = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") {
          errors.push(`${message.text()} (${message.location().url})`);
        }
      });
      await page.goto(server.url + search);
      await page.locator("nori-ring svg").waitFor();
      await use(page);
      if (errors.length > 0) {
        throw new Error(`the console is not clean:\n${errors.join("\n")}`);
      }
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
}

/**
 * Waits for a leader of the chosen group that `fits`.
 *
 * @param {Page} page
 * @param {(leader: Leader) => boolean} [fits]
 * @returns {Promise<Leader>}
 */
export async function leader(page, fits = () => true) {
  const label = page.locator("nori-ring svg");
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const text = (await label.getAttribute("aria-label")) ?? "";
    const found = /node (\d+) leads group \d+ in term (\d+)/.exec(text);
    if (found) {
      const leader = { node: Number(found[1]), term: Number(found[2]) };
      if (fits(leader)) {
        return leader;
      }
    }
    if (Date.now() > until) {
      const alerts = await page.locator("[role=alert]").allTextContents();
      throw new Error(["no such leader", text, ...alerts].join("; "));
    }
    await page.waitForTimeout(50);
  }
}

/**
 * The indexes that a node knows to be committed, among those that the log panel shows.
 *
 * @param {Page} page
 * @param {number} node
 */
export async function committed(page, node) {
  const cells = page.locator(`nori-logs td[data-node="${node}"][data-committed="true"]`);
  const indexes = await cells.evaluateAll((cells) =>
    cells.map((cell) => Number(cell.parentElement?.querySelector("th")?.textContent)),
  );
  return Math.max(0, ...indexes);
}

/**
 * The page's steps and hash.
 *
 * @param {Page} page
 */
export async function trace(page) {
  return {
    steps: Number(await page.locator("#steps").textContent()),
    hash: (await page.locator("#hash").textContent()) ?? "",
  };
}

/**
 * Plays that many virtual seconds in a real one, or pauses at 0.
 *
 * @param {Page} page
 * @param {"0" | "0.2" | "1" | "4"} speed
 */
export async function play(page, speed) {
  if (speed !== "0") {
    await page.getByLabel("Speed").selectOption(speed);
  }
  const name = speed === "0" ? "Pause" : "Play";
  const button = page.getByRole("button", { name, exact: true });
  if ((await button.count()) > 0) {
    await button.click();
  }
}

/**
 * @param {Page} page
 * @param {string} name
 */
export async function keepScreenshot(page, name) {
  const folder = join(root, "test-output");
  await mkdir(folder, { recursive: true });
  await page.evaluate(() => {
    scrollTo(0, 0);
  });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
