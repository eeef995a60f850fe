/** What a visitor sees: leaders, kills, partitions. In headless Chromium, on the built page. */

import assert from "node:assert/strict";
import test from "node:test";

import { committed, keepScreenshot, leader, PATIENCE_MS, play, withPage } from "./page.js";

/** @typedef {import("playwright-core").Page} Page */

test("killing the leader brings another one with a higher term", async () => {
  await withPage("?cluster=42", async (page) => {
    await play(page, "1");
    const before = await leader(page);
    await keepScreenshot(page, "leader");
    await page.getByRole("button", { name: "Kill the leader" }).click();
    await page.getByRole("button", { name: `Node ${before.node}, down` }).waitFor();
    const after = await leader(page, ({ node }) => node !== before.node);
    assert.ok(after.term > before.term, `term ${after.term} after ${before.term}`);
    await keepScreenshot(page, "leader-killed");
    await page.getByRole("button", { name: "Restart all" }).click();
    await page.getByRole("button", { name: `Node ${before.node}, follower` }).waitFor();
    await assertNothingBroken(page);
  });
});

test("a leader that is cut away commits nothing until the network heals", async () => {
  await withPage("?cluster=7", async (page) => {
    await play(page, "1");
    const before = await leader(page);
    await until(page, "the first commits", async () => (await committed(page, before.node)) >= 3);
    await page.getByRole("button", { name: "Cut the leader away" }).click();
    const after = await leader(page, ({ node }) => node !== before.node);
    assert.ok(after.term > before.term, `term ${after.term} after ${before.term}`);
    const stuck = await committed(page, before.node);
    const reached = await committed(page, after.node);
    await until(
      page,
      "the majority goes on",
      async () => (await committed(page, after.node)) >= Math.max(reached, stuck) + 3,
    );
    assert.equal(await committed(page, before.node), stuck, "the minority committed alone");
    await keepScreenshot(page, "partition");
    await page.getByRole("button", { name: "Heal" }).click();
    await until(
      page,
      "the minority catches up",
      async () => (await committed(page, before.node)) > stuck,
    );
    await assertNothingBroken(page);
  });
});

test("a write by hand is acknowledged with its term and index", async () => {
  await withPage("?cluster=42", async (page) => {
    await play(page, "1");
    await leader(page);
    await page.getByRole("button", { name: "Put" }).click();
    await page.getByText(/Your write .* is safe: term \d+, index \d+/).waitFor();
    await assertNothingBroken(page);
  });
});

test("on a phone nothing is wider than the screen", async () => {
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
  await withPage(
    "?cluster=42",
    async (page) => {
      await play(page, "1");
      await leader(page);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 390, `the page is ${width} wide`);
      await keepScreenshot(page, "phone");
    },
    phone,
  );
});

/** @param {Page} page */
async function assertNothingBroken(page) {
  assert.deepEqual(await page.locator("[role=alert]").allTextContents(), []);
}

/**
 * @param {Page} page
 * @param {string} what
 * @param {() => Promise<boolean>} holds
 */
async function until(page, what, holds) {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `waited in vain: ${what}`);
    await page.waitForTimeout(50);
  }
}
