/** The page: holds the engine and the model, hands frames to the panels and their wishes back. */

import { LitElement, css, html } from "lit";

import { readAddress, writeAddress } from "../address.js";
import { Engine } from "../engine.js";
import { Model } from "../model.js";
import type { Command } from "../protocol.js";
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

const NODES = 5;
const SPEED_DEFAULT = 0.2;
/** Panels of text follow more slowly than the ring: nobody reads sixty tables a second. */
const PANEL_INTERVAL_MS = 120;

export class NoriApp extends LitElement {
  static override properties = {
    view: { state: true },
    panelView: { state: true },
    seed: { state: true },
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
  declare seed: string;
  declare group: number;
  declare selected: number;
  declare playing: boolean;
  declare speed: number;
  declare failure: string;

  #model = new Model();
  #engine = new Engine({
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
    this.seed = address.seed;
    this.group = address.group;
    this.selected = 1;
    this.playing = !address.paused;
    this.speed = SPEED_DEFAULT;
    this.failure = "";
    this.#open();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("popstate", this.#addressChanged);
    addEventListener("keydown", this.#key);
    this.addEventListener("command", this.#commanded);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("popstate", this.#addressChanged);
    removeEventListener("keydown", this.#key);
    this.removeEventListener("command", this.#commanded);
  }

  override render() {
    const { view, panelView, group, selected } = this;
    const model = this.#model;
    return html`
      <header>
        <h1>NoriKV <span>a cluster of five, simulated in this page by the real engine</span></h1>
        <nori-stats .view=${view}></nori-stats>
      </header>
      <div class="panel controls">
        <nori-controls
          .playing=${this.playing}
          .speed=${this.speed}
          .seed=${this.seed}
          @play=${(event: CustomEvent<boolean>) => {
            this.#play(event.detail);
          }}
          @speed=${(event: CustomEvent<number>) => {
            this.speed = event.detail;
            this.#engine.speed = event.detail;
          }}
          @seed=${this.#reseed}
        ></nori-controls>
      </div>
      ${this.#alert()}
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
          <section class="panel">
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
    `;
  }

  #alert() {
    const broken = this.view?.violation ?? "";
    const text = this.failure === "" ? broken : `The engine stopped: ${this.failure}`;
    return text === "" ? "" : html`<div class="panel alert" role="alert">${text}</div>`;
  }

  #open(): void {
    this.#model = new Model();
    this.failure = "";
    this.#engine.speed = this.speed;
    this.#engine.playing = this.playing;
    this.#engine.open(this.seed, NODES);
  }

  #fold(view: View): void {
    this.#model.fold(view);
    this.view = view;
    const now = performance.now();
    if (!this.playing || now - this.#panelsDrawn >= PANEL_INTERVAL_MS) {
      this.#panelsDrawn = now;
      this.panelView = view;
    }
    if (view.violation !== null) {
      this.#play(false);
    }
  }

  #play(playing: boolean): void {
    this.playing = playing && this.failure === "";
    this.#engine.playing = this.playing;
    this.panelView = this.view;
  }

  #choose(event: CustomEvent<number>): void {
    this.group = event.detail;
    history.replaceState(null, "", this.#address());
  }

  #reseed(event: CustomEvent<string>): void {
    this.seed = event.detail;
    history.pushState(null, "", this.#address());
    this.#open();
  }

  #address(): string {
    return writeAddress({ seed: this.seed, group: this.group, paused: false });
  }

  #addressChanged = (): void => {
    const address = readAddress(location.search);
    this.group = address.group;
    if (address.seed !== this.seed) {
      this.seed = address.seed;
      this.#open();
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
