/**
 * The page's end of the engine. It asks for virtual time as real time passes, never for the next
 * piece before the last one was answered, and hands every frame to one listener.
 */

import type { Destination } from "./address.js";
import type { Command, Reply, SeedReport, Wanted } from "./protocol.js";
import type { View } from "./view.js";

export interface EngineListener {
  /** The first frame of another world. */
  opened(view: View): void;
  frame(view: View): void;
  /** How much of the run is done, 0 to 1; null once the way to its end is over. */
  progress(done: number | null): void;
  /** A file was not opened; the world is still the one before. */
  refused(name: string, reason: string): void;
  failed(message: string): void;
}

/** Real time that a frame makes up for at most: a page that was hidden does not jump. */
const LAG_MS_MAX = 100;

export class Engine {
  playing = false;
  /** Virtual seconds in a real one. */
  speed = 1;

  #worker = startWorker();
  #listener: EngineListener;
  #text = new TextDecoder();
  #lastTick = 0;
  #advancing = false;
  #unanswered = 0;
  #finishing = false;
  #failed = false;

  constructor(listener: EngineListener) {
    this.#listener = listener;
    this.#listen();
    const tick = (now: number): void => {
      this.#tick(now);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** Another world. Also after a failure. */
  open(wanted: Wanted): void {
    if (this.#failed) {
      this.#worker.terminate();
      this.#worker = startWorker();
      this.#listen();
      this.#failed = false;
      this.#unanswered = 0;
      this.#finishing = false;
    }
    this.send({ type: "open", wanted });
  }

  /** Takes the run to a step or to its end, as fast as it goes, unless something else is sent. */
  finish(to: Destination): void {
    this.playing = false;
    this.#finishing = true;
    this.#listener.progress(0);
    this.send({ type: "finish", to });
  }

  send(command: Command): void {
    if (!this.#failed) {
      this.#unanswered += 1;
      this.#worker.postMessage(command);
    }
  }

  #listen(): void {
    this.#worker.onmessage = (message: MessageEvent<Reply>) => {
      this.#hear(message.data);
    };
    this.#worker.onerror = (event) => {
      this.#fail(event.message);
    };
  }

  #tick(now: number): void {
    const passed = Math.min(now - this.#lastTick, LAG_MS_MAX);
    if (this.#advancing) {
      return;
    }
    this.#lastTick = now;
    const micros = Math.round(passed * 1_000 * this.speed);
    if (this.playing && this.#unanswered === 0 && micros > 0) {
      this.#advancing = true;
      this.send({ type: "advance", micros });
    }
  }

  #hear(reply: Reply): void {
    if (reply.type === "progress") {
      if (this.#finishing) {
        this.#listener.progress(reply.done);
      }
      return;
    }
    this.#unanswered -= 1;
    this.#advancing &&= this.#unanswered > 0;
    if (this.#finishing && this.#unanswered === 0) {
      this.#finishing = false;
      this.#listener.progress(null);
    }
    if (reply.type === "frame") {
      const view = JSON.parse(this.#text.decode(reply.bytes)) as View;
      if (reply.opened) {
        this.#listener.opened(view);
      } else {
        this.#listener.frame(view);
      }
    } else if (reply.type === "refused") {
      this.#listener.refused(reply.name, reply.message);
    } else if (reply.type === "failed") {
      this.#fail(reply.message);
    }
  }

  #fail(message: string): void {
    this.#failed = true;
    this.playing = false;
    this.#advancing = false;
    this.#finishing = false;
    this.#listener.progress(null);
    this.#listener.failed(message);
  }
}

/** Runs whole faulty seeds, one after the other, in a worker of their own. */
export function runSeeds(
  from: number,
  to: number,
  heard: (report: SeedReport) => void,
): Promise<void> {
  const worker = startWorker();
  return new Promise<void>((resolve, reject) => {
    let left = to - from + 1;
    worker.onmessage = (message: MessageEvent<Reply>) => {
      if (message.data.type === "seed") {
        heard(message.data.report);
        left -= 1;
        if (left === 0) {
          resolve();
        }
      } else if (message.data.type === "failed") {
        reject(new Error(message.data.message));
      }
    };
    worker.onerror = (event) => {
      reject(new Error(event.message));
    };
    for (let seed = from; seed <= to; seed += 1) {
      const command: Command = { type: "run_seed", seed: String(seed) };
      worker.postMessage(command);
    }
  }).finally(() => {
    worker.terminate();
  });
}

function startWorker(): Worker {
  return new Worker(new URL("./engine.worker.ts", import.meta.url), { type: "module" });
}
