/** Runs that end: by seed, from scenarios and from traces, up to the event that broke. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";

import { initSync, run_seed, World } from "../pkg/norikv_web.js";
import { keepScreenshot, play, trace, withPage } from "./page.js";
import { given, root } from "./serve.js";

/** @typedef {import("playwright-core").Page} Page */

const fixtures = join(root, "tests/fixtures");
const run = promisify(execFile);
initSync({ module: await readFile(join(root, "pkg/norikv_web_bg.wasm")) });

const OVER = "The run is over, and no promise was broken.";

test("an address with a seed and its end shows the whole run of that seed", async () => {
  await withPage("?seed=7&to=end", async (page) => {
    await page.getByText(OVER).waitFor();
    const report = /** @type {import("../src/protocol.js").SeedReport} */ (
      JSON.parse(run_seed(7n))
    );
    assert.deepEqual(await trace(page), { steps: report.steps, hash: report.trace_hash });
    await keepScreenshot(page, "seed");
  });
});

test("an address with a step opens the run there, and it goes on from there", async () => {
  await withPage("?seed=7&to=1234&paused", async (page) => {
    await page.locator("#steps").getByText("1234", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Step", exact: true }).click();
    await page.locator("#steps").getByText("1235", { exact: true }).waitFor();
    const world = World.of_seed(7n);
    world.step(1235);
    assert.equal((await trace(page)).hash, world.trace_hash());
  });
});

test("a scenario file opens, plays, and ends with the hash it has elsewhere", async () => {
  const text = await readFile(join(fixtures, "kill.toml"));
  await withPage("?cluster=1&paused", async (page) => {
    await open(page, "kill.toml", text);
    await page.getByText("Scenario kill.toml").waitFor();
    await page.getByText("a node is killed while clients write").waitFor();
    await play(page, "4");
    await page.getByText("Fault: a process is killed").waitFor();
    await page.getByRole("button", { name: "Run to the end" }).click();
    await page.getByText(OVER).waitFor();
    const world = World.open(text);
    while (!world.is_over()) {
      world.step(1_000);
    }
    assert.deepEqual(await trace(page), {
      steps: Number(world.steps()),
      hash: world.trace_hash(),
    });
    await keepScreenshot(page, "scenario");
  });
});

test("a file that cannot be opened is refused with the reason, and the run before it stays", async () => {
  const text = await readFile(join(fixtures, "kill.toml"), "utf8");
  await withPage("?cluster=1&to=300&paused", async (page) => {
    await page.locator("#steps").getByText("300", { exact: true }).waitFor();
    await open(page, "typo.toml", Buffer.from(text.replace("for_ms", "for_s")));
    const alert = page.locator("[role=alert]");
    await alert.getByText("typo.toml cannot be opened").waitFor();
    await alert.getByText("for_s").waitFor();
    await keepScreenshot(page, "refused");
    const cut = (await readFile(join(fixtures, "mutant.trace"))).subarray(0, -5);
    await open(page, "cut.trace", cut);
    await alert.getByText(/cut off/).waitFor();
    await open(page, "noise.bin", Buffer.from([0xff, 0xfe, 0xfd]));
    await alert.getByText("neither a trace nor a scenario").waitFor();
    await page.getByRole("button", { name: "Step", exact: true }).click();
    await page.locator("#steps").getByText("301", { exact: true }).waitFor();
  });
});

test("a scenario of the project opens by its name, and an unknown name lists the known ones", async () => {
  await withPage("?scenario=l0-storm&paused", async (page) => {
    await page.getByText("Scenario l0-storm").waitFor();
  });
  await withPage("?scenario=no-such-thing&paused", async (page) => {
    await page
      .locator("[role=alert]")
      .getByText(/no scenario of this name, but: .*l0-storm/)
      .waitFor();
  });
});

test("a file that is dropped on the page opens", async () => {
  const text = await readFile(join(fixtures, "kill.toml"), "utf8");
  await withPage("?cluster=1&paused", async (page) => {
    const files = await page.evaluateHandle((text) => {
      const files = new DataTransfer();
      files.items.add(new File([text], "dropped.toml"));
      return files;
    }, text);
    await page.dispatchEvent("body", "dragover", { dataTransfer: files });
    await page.getByText("Drop a scenario or a trace to open it").waitFor();
    await page.dispatchEvent("body", "drop", { dataTransfer: files });
    await page.getByText("Scenario dropped.toml").waitFor();
  });
});

test("a run that broke natively opens in the page at the event that broke", async (context) => {
  const binary = given(context, "NORIKV_BIN");
  if (binary === null) {
    return;
  }
  const { bytes, report } = await recordBroken(binary);
  await withPage("?cluster=1&paused", async (page) => {
    await open(page, "broken.trace", bytes);
    await page.getByText("The replay matches.").waitFor();
    const alert = page.locator("[role=alert]");
    assert.match((await alert.textContent()) ?? "", /A promise was broken: too many messages/);
    await alert.getByText(report.violation, { exact: true }).waitFor();
    const facts = Object.fromEntries(
      await alert
        .locator("dl div")
        .evaluateAll((facts) =>
          facts.map((fact) => [
            fact.querySelector("dt")?.textContent ?? "",
            fact.querySelector("dd")?.textContent ?? "",
          ]),
        ),
    );
    assert.equal(facts["invariant"], "too-many-messages");
    assert.equal(facts["step"], String(report.steps));
    assert.equal((await trace(page)).steps, report.steps);
    await keepScreenshot(page, "broken");
    await page.emulateMedia({ colorScheme: "dark" });
    await keepScreenshot(page, "broken-dark");
    await page.setViewportSize({ width: 390, height: 844 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `the page is ${width} wide`);
    await keepScreenshot(page, "broken-phone");
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.getByRole("button", { name: "Look 100 steps back" }).click();
    await page
      .locator("#steps")
      .getByText(String(report.steps - 100), { exact: true })
      .waitFor();
    assert.equal(await alert.count(), 0);
    await page.getByRole("button", { name: "Step 100" }).click();
    await alert.getByText(report.violation, { exact: true }).waitFor();
  });
});

test("a trace of another build does not match, and the page says where it differs first", async () => {
  const bytes = await readFile(join(fixtures, "mutant.trace"));
  await withPage("?cluster=1&paused", async (page) => {
    await open(page, "mutant.trace", bytes);
    const alert = page.locator("[role=alert]");
    await alert.getByText("The replay does not match.").waitFor();
    await alert.getByText(/record \d+ of \d+/).waitFor();
    const recorded = bytes.subarray(-12, -4).readBigUInt64LE().toString(16).padStart(16, "0");
    await alert.getByText(recorded).waitFor();
    await keepScreenshot(page, "other-build");
  });
});

/**
 * @param {Page} page
 * @param {string} name
 * @param {Buffer} buffer
 */
async function open(page, name, buffer) {
  const mimeType = "application/octet-stream";
  await page.locator("input[type=file]").setInputFiles({ name, mimeType, buffer });
}

/**
 * A run that breaks a promise, and what the command said of it.
 *
 * @param {string} binary
 * @returns {Promise<{ bytes: Buffer, report: { steps: number, violation: string } }>}
 */
async function recordBroken(binary) {
  const folder = await mkdtemp(join(tmpdir(), "norikv-page-"));
  try {
    const file = join(folder, "broken.trace");
    const scenario = ["--scenario", join(fixtures, "flood.toml"), "--seed", "1"];
    const args = ["sim", ...scenario, "--trace", file, "--output", "json"];
    /** A run that breaks a promise ends the command with an error.
     * @param {unknown} failed */
    const said = (failed) => /** @type {{ stdout: string }} */ (failed);
    const { stdout } = await run(binary, args).catch(said);
    const line = stdout.split("\n").find((line) => line.startsWith("{")) ?? "";
    const report = /** @type {{ steps: number, violation: string }} */ (JSON.parse(line));
    return { bytes: await readFile(file), report };
  } finally {
    await rm(folder, { recursive: true });
  }
}
