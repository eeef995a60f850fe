/** The engine, off the page's thread: one world, driven by commands, answering with frames. */

import init, { World, run_seed } from "../pkg/norikv_web.js";
import type { Command, Reply, SeedReport } from "./protocol.js";

/** A frame never costs more than this many steps, so that commands are always heard soon. */
const STEPS_PER_ADVANCE_MAX = 4_000;

const ready = init();
let world: World | undefined;

function post(reply: Reply, transfer: Transferable[] = []): void {
  self.postMessage(reply, { transfer });
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
    case "open":
    case "run_seed":
      break;
  }
}

async function answer(command: Command): Promise<void> {
  await ready;
  if (command.type === "run_seed") {
    const report = JSON.parse(run_seed(BigInt(command.seed))) as SeedReport;
    post({ type: "seed", report });
    return;
  }
  if (command.type === "open") {
    world?.free();
    world = new World(BigInt(command.seed), command.nodes);
  }
  if (!world) {
    throw new Error(`${command.type} before open`);
  }
  obey(world, command);
  const bytes = world.frame().buffer as ArrayBuffer;
  post({ type: "frame", bytes }, [bytes]);
}

self.onmessage = (message: MessageEvent<Command>) => {
  answer(message.data).catch((error: unknown) => {
    post({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  });
};
