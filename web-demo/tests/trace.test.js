/** One seed, one hash: in Node, in Chromium, natively and under wasmtime. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";

import { initSync, run_seed, World } from "../pkg/norikv_web.js";
import { play, trace, withPage } from "./page.js";
import { given, root } from "./serve.js";

const FROM = 1;
const TO = 200;
const COUNT = TO - FROM + 1;
const STEPS = 2_000;

const run = promisify(execFile);
const module = await readFile(join(root, "pkg/norikv_web_bg.wasm"));
initSync({ module });

/** @typedef {Record<string, string>} Hashes by seed */

/** @returns {Hashes} */
function hashesInNode() {
  /** @type {Hashes} */
  const hashes = {};
  for (let seed = FROM; seed <= TO; seed += 1) {
    const report = /** @type {import("../src/protocol.js").SeedReport} */ (
      JSON.parse(run_seed(BigInt(seed)))
    );
    assert.equal(report.violation, null, `seed ${seed}`);
    assert.match(report.trace_hash, /^[0-9a-f]{16}$/);
    hashes[seed] = report.trace_hash;
  }
  return hashes;
}

const inNode = hashesInNode();

test(`${COUNT} faulty seeds keep every promise, each with a hash of its own`, () => {
  assert.equal(new Set(Object.values(inNode)).size, COUNT);
});

test(`${COUNT} faulty seeds have the same hash in Chromium as in Node`, async () => {
  await withPage("?cluster=1&paused", async (page) => {
    await page.getByRole("button", { name: `Run ${COUNT} seeds here` }).click();
    await page.locator(`nori-proof li[data-seed="${TO}"]`).waitFor({ timeout: 600_000 });
    /** @type {Hashes} */
    const inChromium = {};
    const lines = await page.locator("nori-proof li").evaluateAll((lines) =>
      lines.map((line) => ({
        seed: line.getAttribute("data-seed") ?? "",
        hash: line.getAttribute("data-hash") ?? "",
        violation: line.getAttribute("data-violation"),
      })),
    );
    for (const { seed, hash, violation } of lines) {
      inChromium[seed] = hash;
      assert.equal(violation, "", `seed ${seed}`);
    }
    assert.deepEqual(inChromium, inNode);
  });
});

test(`${COUNT} faulty seeds have the same hash natively as in Node`, async (context) => {
  const binary = given(context, "NORIKV_BIN");
  if (binary === null) {
    return;
  }
  const args = ["sim", "--seeds", `${FROM}..${TO}`, "--output", "json"];
  assert.deepEqual(hashesOf(await lines(binary, args)), inNode);
});

test(`${COUNT} faulty seeds have the same hash under wasmtime as in Node`, async (context) => {
  const binary = given(context, "NORIKV_EDGE_BIN");
  const components = given(context, "NORIKV_COMPONENTS");
  if (binary === null || components === null) {
    return;
  }
  const args = ["sim", join(components, "norikv_sim.wasm"), `${FROM}..${TO}`];
  const pairs = (await lines(binary, args)).map((line) => line.trim().split(/\s+/));
  assert.deepEqual(Object.fromEntries(pairs), inNode);
});

test("stepping the page by hand gives the hash of as many steps in Node", async () => {
  await withPage("?cluster=42&paused", async (page) => {
    const step = page.getByRole("button", { name: "Step", exact: true });
    const steps = page.locator("#steps");
    await steps.getByText("0", { exact: true }).waitFor();
    for (let taken = 0; taken < 100; taken += 1) {
      await step.click();
    }
    for (let taken = 100; taken < STEPS; taken += 100) {
      await page.getByRole("button", { name: "Step 100" }).click();
    }
    await steps.getByText(String(STEPS), { exact: true }).waitFor();
    const { hash } = await trace(page);

    const world = new World(42n, 5);
    assert.equal(world.step(STEPS), STEPS);
    assert.equal(hash, world.trace_hash());
  });
});

test("stepping in Node gives the hash of as many steps natively", async (context) => {
  const binary = given(context, "NORIKV_BIN");
  if (binary === null) {
    return;
  }
  const world = new World(42n, 5);
  world.step(STEPS);
  const args = `sim --seed 42 --steps ${STEPS} --nodes 5 --output json`.split(" ");
  assert.deepEqual(hashesOf(await lines(binary, args)), { 42: world.trace_hash() });
});

test("watching the page play changes nothing about the run", async () => {
  await withPage("?cluster=42", async (page) => {
    await play(page, "4");
    await page
      .locator("#steps")
      .getByText(/^\d{4,}$/)
      .waitFor();
    await play(page, "0");
    await page.waitForTimeout(300);
    const { steps, hash } = await trace(page);
    const world = new World(42n, 5);
    world.step(steps);
    assert.equal(hash, world.trace_hash(), `after ${steps} steps`);
  });
});

/**
 * @param {string} binary
 * @param {string[]} args
 */
async function lines(binary, args) {
  const { stdout } = await run(binary, args, { maxBuffer: 64 << 20 });
  return stdout.split("\n").filter((line) => line !== "");
}

/**
 * @param {string[]} lines Of JSON.
 * @returns {Hashes}
 */
function hashesOf(lines) {
  /** @type {Hashes} */
  const hashes = {};
  for (const line of lines) {
    const { seed, trace_hash } = /** @type {{ seed: string | number, trace_hash: string }} */ (
      JSON.parse(line)
    );
    hashes[String(seed)] = trace_hash;
  }
  return hashes;
}
