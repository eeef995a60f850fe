/** The page: holds the engine and the model, hands frames to the panels and their wishes back. */

import { LitElement, css, html } from "lit";

import {
  readAddress,
  writeAddress,
  type Address,
  type Destination,
  type Source,
} from "../address.js";
import { Engine } from "../engine.js";
import { Model } from "../model.js";
import type { Command, Wanted } from "../protocol.js";
import { fetchRun } from "../scenarios.js";
import type { View } from "../view.js";
import { command, shared } from "./shared.js";
import "./nori-actions.js";
import "./nori-controls.js";
import "./nori-disks.js";
import "./nori-groups.js";
import "./nori-logs.js";
import "./nori-members.js";
import "./nori-proof.js";
import "./nori-ring.js";
import "./nori-stats.js";
import "./nori-story.js";
import "./nori-verdict.js";

const NODES = 5;
const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const SPEED_DEFAULT = 0.2;
/** More than any run of a few minutes fills. */
const FILE_BYTES_MAX = 512 << 20;
/** Panels of text follow more slowly than the ring: nobody reads sixty tables a second. */
const PANEL_INTERVAL_MS = 120;

export class NoriApp extends LitElement {
  static override properties = {
    view: { state: true },
    panelView: { state: true },
    source: { state: true },
    fileName: { state: true },
    finishing: { state: true },
    refused: { state: true },
    dragged: { state: true },
    group: { state: true },
    selected: { state: true },
    playing: { state: true },
    speed: { state: true },
    failure: { state: true },
  };

  static override styles = [
    shared,
    css`
      :host {
        max-width: 1400px;
        margin: 0 auto;
        padding: 14px 18px 40px;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        gap: 4px 28px;
        align-items: baseline;
        justify-content: space-between;
        margin-bottom: 10px;
      }
      h1 {
        margin: 0;
        font-size: 20px;
        letter-spacing: -0.01em;
      }
      h1 span {
        color: var(--muted);
        font-weight: 400;
        font-size: 14px;
        letter-spacing: 0;
      }
      main {
        display: grid;
        grid-template-columns: minmax(0, 5fr) minmax(0, 4fr);
        gap: 14px;
        margin-top: 12px;
      }
      .column {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 14px;
        align-content: start;
        min-width: 0;
      }
      .panel {
        padding: 14px 16px;
        border: 1px solid var(--line);
        border-radius: 12px;
        background: var(--panel);
      }
      .controls {
        position: sticky;
        top: 0;
        z-index: 1;
        padding: 10px 14px;
      }
      .alert {
        margin-top: 12px;
        border-color: var(--danger);
        color: var(--danger);
      }
      pre {
        margin: 6px 0 0;
        overflow-x: auto;
        font: 12.5px/1.45 var(--mono);
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      nori-verdict {
        margin-top: 12px;
      }
      .panel[inert] {
        opacity: 0.5;
      }
      .drop {
        position: fixed;
        inset: 12px;
        z-index: 2;
        display: grid;
        place-items: center;
        border: 2px dashed var(--accent);
        border-radius: 16px;
        background: color-mix(in srgb, var(--page) 85%, transparent);
        font-weight: 650;
        pointer-events: none;
      }
      @media (max-width: 900px) {
        :host {
          padding: 10px 10px 30px;
        }
        main {
          grid-template-columns: minmax(0, 1fr);
        }
        .controls {
          position: static;
        }
      }
    `,
  ];

  declare view: View | null;
  declare panelView: View | null;
  /** Null: a file that was opened by hand. */
  declare source: Source | null;
  /** Of the file, or of the scenario. */
  declare fileName: string;
  declare finishing: number | null;
  declare refused: { name: string; reason: string } | null;
  declare dragged: boolean;
  declare group: number;
  declare selected: number;
  declare playing: boolean;
  declare speed: number;
  declare failure: string;

  #model = new Model();
  #wanted: Wanted = { kind: "cluster", seed: "0", nodes: NODES };
  /** What runs while another world is being opened. */
  #before: { wanted: Wanted; source: Source | null } | null = null;
  /** Where the world that is being opened is to go at once. */
  #destination: Destination | null = null;
  #engine = new Engine({
    opened: (view) => {
      this.#model = new Model();
      this.view = null;
      this.#fold(view);
      this.#begin(view);
    },
    progress: (done) => {
      this.finishing = done;
    },
    refused: (name, reason) => {
      this.#destination = null;
      if (this.view && this.#before) {
        this.#wanted = this.#before.wanted;
        this.source = this.#before.source;
        history.replaceState(null, "", this.#address());
      }
      this.#openInstead();
      this.refused = { name, reason };
    },
    frame: (view) => {
      this.#fold(view);
    },
    failed: (message) => {
      this.failure = message;
      this.playing = false;
    },
  });
  #panelsDrawn = 0;

  constructor() {
    super();
    const address = readAddress(location.search);
    this.view = null;
    this.panelView = null;
    this.source = address.source;
    this.fileName = "";
    this.finishing = null;
    this.refused = null;
    this.dragged = false;
    this.group = address.group;
    this.selected = 1;
    this.playing = !address.paused;
    this.speed = SPEED_DEFAULT;
    this.failure = "";
    this.#openAddress(address);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("popstate", this.#addressChanged);
    addEventListener("keydown", this.#key);
    addEventListener("dragover", this.#drag);
    addEventListener("dragleave", this.#drag);
    addEventListener("drop", this.#drag);
    this.addEventListener("command", this.#commanded);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("popstate", this.#addressChanged);
    removeEventListener("keydown", this.#key);
    removeEventListener("dragover", this.#drag);
    removeEventListener("dragleave", this.#drag);
    removeEventListener("drop", this.#drag);
    this.removeEventListener("command", this.#commanded);
  }

  override render() {
    const { view, panelView, group, selected } = this;
    const model = this.#model;
    const { source } = this;
    const over = view?.run.over ?? false;
    const nodes = view?.nodes.length ?? NODES;
    return html`
      <header>
        <h1>
          NoriKV
          <span>a cluster of ${NUMBERS[nodes]}, simulated in this page by the real engine</span>
        </h1>
        <nori-stats .view=${view}></nori-stats>
      </header>
      <div class="panel controls">
        <nori-controls
          .playing=${this.playing}
          .speed=${this.speed}
          .seed=${source && "seed" in source ? source.seed : (view?.run.seed ?? "")}
          .kind=${source?.kind === "cluster" ? "cluster" : "seed"}
          .over=${over}
          @play=${(event: CustomEvent<boolean>) => {
            this.#play(event.detail);
          }}
          @speed=${(event: CustomEvent<number>) => {
            this.speed = event.detail;
            this.#engine.speed = event.detail;
          }}
          @source=${this.#rerun}
          @file=${(event: CustomEvent<File>) => {
            void this.#openFile(event.detail);
          }}
        ></nori-controls>
      </div>
      ${this.#alert()}
      ${
        view && (view.run.kind !== "cluster" || view.run.broken)
          ? html`<section class="panel" style="margin-top: 12px" aria-label="The run">
              <nori-verdict
                style="margin: 0"
                .view=${view}
                .name=${this.fileName}
                .finishing=${this.finishing}
                @finish=${(event: CustomEvent<Destination>) => {
                  this.#finish(event.detail);
                }}
                @halt=${() => {
                  this.#engine.send({ type: "look" });
                }}
              ></nori-verdict>
            </section>`
          : ""
      }
      <main @group=${this.#choose}>
        <div class="column">
          <section class="panel">
            <nori-ring
              .model=${model}
              .view=${view}
              .group=${group}
              .selected=${selected}
              @node=${(event: CustomEvent<number>) => {
                this.selected = event.detail;
              }}
            ></nori-ring>
          </section>
          <section class="panel" ?inert=${over}>
            <nori-actions .model=${model} .view=${panelView} .group=${group} .selected=${selected}>
            </nori-actions>
          </section>
          <section class="panel"><nori-members .view=${panelView}></nori-members></section>
        </div>
        <div class="column">
          <section class="panel">
            <nori-groups .model=${model} .view=${panelView} .group=${group}></nori-groups>
          </section>
          <section class="panel">
            <nori-logs .model=${model} .view=${panelView} .group=${group}></nori-logs>
          </section>
          <section class="panel">
            <nori-story .model=${model} .view=${panelView} .group=${group}></nori-story>
          </section>
          <section class="panel">
            <nori-disks .model=${model} .view=${panelView} .group=${group}></nori-disks>
          </section>
        </div>
      </main>
      <section class="panel" style="margin-top: 14px"><nori-proof></nori-proof></section>
      ${this.dragged ? html`<div class="drop">Drop a scenario or a trace to open it</div>` : ""}
    `;
  }

  #alert() {
    if (this.failure !== "") {
      return html`<div class="panel alert" role="alert">The engine stopped: ${this.failure}</div>`;
    }
    return this.refused
      ? html`<div class="panel alert" role="alert">
          ${this.refused.name} cannot be opened:
          <pre>${this.refused.reason}</pre>
        </div>`
      : "";
  }

  #openAddress({ source, to }: Address): void {
    this.source = source;
    if (source.kind === "cluster") {
      this.#open({ ...source, nodes: NODES }, to);
    } else if (source.kind === "seed") {
      this.#open(source, to);
    } else {
      void this.#openNamed(source.name, to);
    }
  }

  async #openNamed(name: string, to: Destination | null): Promise<void> {
    try {
      const bytes = await fetchRun(name);
      this.#open({ kind: "file", name, bytes }, to);
    } catch (error) {
      this.#openInstead();
      this.refused = { name, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  async #openFile(file: File): Promise<void> {
    if (file.size > FILE_BYTES_MAX) {
      const reason = `${file.size} bytes; a page reads ${FILE_BYTES_MAX} at most`;
      this.refused = { name: file.name, reason };
      return;
    }
    const bytes = await file.arrayBuffer();
    this.source = null;
    history.pushState(null, "", this.#address());
    this.#open({ kind: "file", name: file.name, bytes }, null);
  }

  /** A page always shows something: the calm cluster where what was asked for cannot be. */
  #openInstead(): void {
    if (!this.view) {
      this.#open({ kind: "cluster", seed: "42", nodes: NODES }, null);
    }
  }

  #open(wanted: Wanted, to: Destination | null): void {
    this.#wanted = wanted;
    this.#destination = to;
    this.failure = "";
    this.refused = null;
    this.#engine.speed = this.speed;
    this.#engine.playing = this.playing;
    this.#engine.open(wanted);
  }

  #finish(to: Destination): void {
    const steps = this.view?.steps ?? 0;
    this.#play(false);
    if (to !== "end" && to < steps) {
      this.#open(this.#wanted, to);
    } else {
      this.#engine.finish(to);
    }
  }

  #fold(view: View): void {
    const ended = view.run.over && !(this.view?.run.over ?? false);
    this.#model.fold(view);
    this.view = view;
    const now = performance.now();
    if (!this.playing || now - this.#panelsDrawn >= PANEL_INTERVAL_MS) {
      this.#panelsDrawn = now;
      this.panelView = view;
    }
    if (ended) {
      this.#play(false);
      this.group = view.run.broken?.group ?? this.group;
      this.selected = view.run.broken?.nodes[0] ?? this.selected;
    }
  }

  /** The first frame of another world. */
  #begin(view: View): void {
    this.#before = { wanted: this.#wanted, source: this.source };
    const groups = this.#model.groups();
    this.group = groups.includes(this.group) ? this.group : (groups[0] ?? 0);
    this.selected = Math.min(this.selected, view.nodes.length);
    this.fileName = this.#wanted.kind === "file" ? this.#wanted.name : "";
    const to = this.#destination ?? (view.run.kind === "trace" ? "end" : null);
    this.#destination = null;
    if (to !== null) {
      this.#finish(to);
    }
  }

  #play(playing: boolean): void {
    this.playing = playing && this.failure === "" && !(this.view?.run.over ?? false);
    this.#engine.playing = this.playing;
    this.panelView = this.view;
  }

  #choose(event: CustomEvent<number>): void {
    this.group = event.detail;
    history.replaceState(null, "", this.#address());
  }

  #rerun(event: CustomEvent<Source>): void {
    this.source = event.detail;
    history.pushState(null, "", this.#address());
    this.#openAddress({ source: event.detail, group: this.group, paused: false, to: null });
  }

  #address(): string {
    return writeAddress(this.source, this.group);
  }

  #addressChanged = (): void => {
    const address = readAddress(location.search);
    const before = this.#address();
    this.group = address.group;
    if (writeAddress(address.source, this.group) !== before) {
      this.#openAddress(address);
    }
  };

  #drag = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes("Files")) {
      return;
    }
    event.preventDefault();
    this.dragged = event.type === "dragover";
    const file = event.type === "drop" ? event.dataTransfer.files[0] : undefined;
    if (file) {
      void this.#openFile(file);
    }
  };

  #commanded = (event: Event): void => {
    this.#engine.send((event as CustomEvent<Command>).detail);
  };

  #key = (event: KeyboardEvent): void => {
    const target = event.composedPath()[0];
    const typing = target instanceof HTMLElement && target.matches("input, select, button");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === " ") {
      event.preventDefault();
      this.#play(!this.playing);
    } else if (event.key === ".") {
      this.#play(false);
      this.dispatchEvent(command({ type: "step", count: 1 }));
    }
  };
}

customElements.define("nori-app", NoriApp);
