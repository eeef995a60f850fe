/** Runs whole faulty seeds in the page and shows their hashes, to hold against any other host. */

import { LitElement, css, html } from "lit";

import { runSeeds } from "../engine.js";
import type { SeedReport } from "../protocol.js";
import { shared } from "./shared.js";

const FROM = 1;
const TO = 200;
const COUNT = TO - FROM + 1;

export class NoriProof extends LitElement {
  static override properties = {
    reports: { state: true },
    running: { state: true },
    seconds: { state: true },
    failure: { state: true },
  };

  static override styles = [
    shared,
    css`
      ul {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(190px, 1fr));
        gap: 3px 16px;
        max-height: 220px;
        margin: 10px 0 0;
        padding: 0;
        overflow-y: auto;
        list-style: none;
        font-size: 13px;
      }
      code {
        font-family: var(--mono);
        font-size: 12.5px;
      }
      .broken {
        color: var(--danger);
      }
    `,
  ];

  declare reports: readonly SeedReport[];
  declare running: boolean;
  declare seconds: number;
  declare failure: string;

  constructor() {
    super();
    this.reports = [];
    this.running = false;
    this.seconds = 0;
    this.failure = "";
  }

  override render() {
    return html`
      <h2>The same run everywhere</h2>
      <p class="hint">
        Two hundred clusters with crashes, power cuts, partitions and failing disks, each checked
        after every step. <code>norikv sim --seeds ${FROM}..${TO}</code> prints the same hashes.
      </p>
      <div class="row">
        <button ?disabled=${this.running} @click=${this.#run}>Run ${COUNT} seeds here</button>
        ${
          this.reports.length === 0 && !this.running
            ? ""
            : html`
                <progress
                  aria-label="Seeds that were run"
                  max=${COUNT}
                  value=${this.reports.length}
                ></progress>
                <span>
                  ${this.reports.length} of ${COUNT}
                  ${this.running ? "" : html`in ${this.seconds.toFixed(1)} s`}
                </span>
              `
        }
      </div>
      ${this.failure === "" ? "" : html`<p class="broken" role="alert">${this.failure}</p>`}
      <ul tabindex="0" aria-label="Trace hashes" aria-busy=${this.running ? "true" : "false"}>
        ${this.reports.map(
          ({ seed, trace_hash, violation }) => html`
            <li data-seed=${seed} data-hash=${trace_hash} data-violation=${violation ?? ""}>
              seed ${seed} <code>${trace_hash}</code>
              ${violation === null ? "" : html`<div class="broken">${violation}</div>`}
            </li>
          `,
        )}
      </ul>
    `;
  }

  async #run(): Promise<void> {
    this.reports = [];
    this.failure = "";
    this.running = true;
    const began = performance.now();
    try {
      await runSeeds(FROM, TO, (report) => {
        this.reports = [...this.reports, report];
      });
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
    } finally {
      this.seconds = (performance.now() - began) / 1_000;
      this.running = false;
    }
  }
}

customElements.define("nori-proof", NoriProof);
