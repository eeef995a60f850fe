/** The engine, off the page's thread: one world, driven by commands, answering with frames. */

import init, { World, run_seed } from "../pkg/norikv_web.js";
import type { Command, Reply, SeedReport, Wanted } from "./protocol.js";

/** A frame never costs more than this many steps, so that commands are always heard soon. */
const STEPS_PER_ADVANCE_MAX = 4_000;
/** How long the worker may be deaf on its way to the end of a run. */
const PORTION_MS = 40;
const STEPS_PER_PORTION = 200;

const ready = init();
let world: World | undefined;
/** Commands so far: a later one stops what takes long. */
let heard = 0;

function post(reply: Reply, transfer: Transferable[] = []): void {
  self.postMessage(reply, { transfer });
}

function postFrame(world: World, opened: boolean): void {
  const bytes = world.frame().buffer as ArrayBuffer;
  post({ type: "frame", bytes, opened }, [bytes]);
}

function obey(world: World, command: Command): void {
  switch (command.type) {
    case "advance":
      world.advance(command.micros, STEPS_PER_ADVANCE_MAX);
      break;
    case "step":
      world.step(command.count);
      break;
    case "kill":
      world.kill(command.node);
      break;
    case "restart":
      world.restart(command.node);
      break;
    case "cut_power":
      world.cut_power(command.node);
      break;
    case "partition":
      world.partition(Uint32Array.from(command.side));
      break;
    case "heal":
      world.heal();
      break;
    case "put":
      world.put(command.key, command.value);
      break;
    case "look":
    case "open":
    case "finish":
    case "run_seed":
      break;
  }
}

function open(wanted: Wanted): World {
  switch (wanted.kind) {
    case "cluster":
      return new World(BigInt(wanted.seed), wanted.nodes);
    case "seed":
      return World.of_seed(BigInt(wanted.seed));
    case "file":
      return World.open(new Uint8Array(wanted.bytes));
  }
}

/** Goes on in portions until the run is over, the step is reached, or another command was heard. */
async function finish(to: number | "end", nth: number): Promise<void> {
  const end = to === "end" ? Infinity : to;
  while (nth === heard && world && !world.is_over() && Number(world.steps()) < end) {
    const rest = performance.now() + PORTION_MS;
    while (performance.now() < rest) {
      const left = end - Number(world.steps());
      if (world.step(Math.min(left, STEPS_PER_PORTION)) === 0) {
        break;
      }
    }
    post({ type: "progress", done: world.done() });
    await new Promise((resolve) => setTimeout(resolve));
  }
}

async function answer(command: Command, nth: number): Promise<void> {
  await ready;
  if (command.type === "run_seed") {
    const report = JSON.parse(run_seed(BigInt(command.seed))) as SeedReport;
    post({ type: "seed", report });
    return;
  }
  if (command.type === "open") {
    let opened;
    try {
      opened = open(command.wanted);
    } catch (reason) {
      if (typeof reason !== "string") {
        throw reason;
      }
      const name = command.wanted.kind === "file" ? command.wanted.name : "";
      post({ type: "refused", name, message: reason });
      return;
    }
    world?.free();
    world = opened;
  }
  if (!world) {
    throw new Error(`${command.type} before open`);
  }
  if (command.type === "finish") {
    await finish(command.to, nth);
  } else {
    obey(world, command);
  }
  postFrame(world, command.type === "open");
}

self.onmessage = (message: MessageEvent<Command>) => {
  heard += 1;
  answer(message.data, heard).catch((error: unknown) => {
    post({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  });
};
