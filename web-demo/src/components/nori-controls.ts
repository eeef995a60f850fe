/** Time: play, pause, step, speed; and the seed that the run follows from. */

import { LitElement, css, html } from "lit";

import { parseSeed } from "../address.js";
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
  declare refused: boolean;

  constructor() {
    super();
    this.playing = false;
    this.speed = 1;
    this.seed = "";
    this.refused = false;
  }

  override render() {
    return html`
      <div class="row" role="group" aria-label="Time">
        <button
          class="play primary"
          title="Space"
          @click=${() => this.dispatchEvent(tell("play", !this.playing))}
        >
          ${this.playing ? "Pause" : "Play"}
        </button>
        <button title="Key: ." @click=${() => this.#step(1)}>Step</button>
        <button @click=${() => this.#step(100)}>Step 100</button>
        <label for="speed">Speed</label>
        <select id="speed" @change=${this.#setSpeed}>
          ${SPEEDS.map(
            ([speed, name]) =>
              html`<option value=${speed} ?selected=${speed === this.speed}>${name}</option>`,
          )}
        </select>
      </div>
      <form class="row" @submit=${this.#open}>
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
      this.dispatchEvent(tell("seed", seed));
    }
  }
}

customElements.define("nori-controls", NoriControls);
