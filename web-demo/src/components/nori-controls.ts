/** Time: play, pause, step, speed; and what runs: by seed, by name, or from a file. */

import { LitElement, css, html } from "lit";

import { parseSeed } from "../address.js";
import { scenarioNames } from "../scenarios.js";
import { command, shared, tell } from "./shared.js";

const SPEEDS: readonly [number, string][] = [
  [0.02, "1/50"],
  [0.05, "1/20"],
  [0.1, "1/10"],
  [0.2, "1/5"],
  [0.5, "1/2"],
  [1, "real time"],
  [4, "4 ×"],
];

export class NoriControls extends LitElement {
  static override properties = {
    playing: { type: Boolean },
    speed: { type: Number },
    seed: { type: String },
    kind: { type: String },
    over: { type: Boolean },
    refused: { state: true },
  };

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-wrap: wrap;
        gap: 10px 18px;
        align-items: center;
      }
      .play {
        min-width: 84px;
      }
      label {
        color: var(--muted);
        font-size: 13px;
      }
      input {
        width: 150px;
      }
      [role="alert"] {
        color: var(--danger);
        font-size: 13px;
      }
    `,
  ];

  declare playing: boolean;
  declare speed: number;
  declare seed: string;
  /** Of the seed. */
  declare kind: "cluster" | "seed";
  declare over: boolean;
  declare refused: boolean;

  constructor() {
    super();
    this.playing = false;
    this.speed = 1;
    this.seed = "";
    this.kind = "cluster";
    this.over = false;
    this.refused = false;
  }

  override render() {
    return html`
      <div class="row" role="group" aria-label="Time">
        <button
          class="play primary"
          title="Space"
          ?disabled=${this.over}
          @click=${() => this.dispatchEvent(tell("play", !this.playing))}
        >
          ${this.playing ? "Pause" : "Play"}
        </button>
        <button title="Key: ." ?disabled=${this.over} @click=${() => this.#step(1)}>Step</button>
        <button ?disabled=${this.over} @click=${() => this.#step(100)}>Step 100</button>
        <label for="speed">Speed</label>
        <select id="speed" @change=${this.#setSpeed}>
          ${SPEEDS.map(
            ([speed, name]) =>
              html`<option value=${speed} ?selected=${speed === this.speed}>${name}</option>`,
          )}
        </select>
      </div>
      <form class="row" @submit=${this.#open}>
        <select id="kind" aria-label="What runs">
          <option value="cluster" ?selected=${this.kind === "cluster"}>Calm cluster</option>
          <option value="seed" ?selected=${this.kind === "seed"}>Swarm of faults</option>
        </select>
        <label for="seed">Seed</label>
        <input
          id="seed"
          class="mono"
          inputmode="numeric"
          autocomplete="off"
          aria-invalid=${this.refused ? "true" : "false"}
          .value=${this.seed}
        />
        <button>New run</button>
        ${
          this.refused
            ? html`<span role="alert">A seed is a whole number below 2<sup>64</sup>.</span>`
            : ""
        }
      </form>
      <div class="row" role="group" aria-label="A scenario or a trace">
        <select aria-label="Scenario" @change=${this.#choose}>
          <option value="">Scenario</option>
          ${scenarioNames.map(
            (name) => html`<option value=${name}>${name.replaceAll("-", " ")}</option>`,
          )}
        </select>
        <button
          title="A scenario (.toml) or a trace of norikv sim; or drop the file anywhere on the page"
          @click=${() => this.renderRoot.querySelector<HTMLInputElement>("#file")?.click()}
        >
          Open…
        </button>
        <input id="file" type="file" hidden aria-label="File to open" @change=${this.#file} />
      </div>
    `;
  }

  #step(count: number): void {
    this.dispatchEvent(tell("play", false));
    this.dispatchEvent(command({ type: "step", count }));
  }

  #setSpeed(event: Event): void {
    this.dispatchEvent(tell("speed", Number((event.target as HTMLSelectElement).value)));
  }

  #open(event: Event): void {
    event.preventDefault();
    const text = this.renderRoot.querySelector<HTMLInputElement>("#seed")?.value ?? "";
    const seed = parseSeed(text);
    this.refused = seed === null;
    if (seed !== null) {
      const kind = this.renderRoot.querySelector<HTMLSelectElement>("#kind")?.value;
      this.dispatchEvent(tell("source", { kind: kind === "seed" ? "seed" : "cluster", seed }));
    }
  }

  #choose(event: Event): void {
    const select = event.target as HTMLSelectElement;
    if (select.value !== "") {
      this.dispatchEvent(tell("source", { kind: "scenario", name: select.value }));
      select.value = "";
    }
  }

  /** Chosen once, a file can be chosen again. */
  #file(event: Event): void {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    if (file) {
      this.dispatchEvent(tell("file", file));
      input.value = "";
    }
  }
}

customElements.define("nori-controls", NoriControls);
