/** A run that has an end: what it is, how far it is, and what came of it. */

import { LitElement, css, html, nothing } from "lit";

import { seconds } from "../format.js";
import type { Broken, Recorded, RunView, View } from "../view.js";
import { shared, tell } from "./shared.js";

const OTHERWISE =
  "This build does something else than the build that recorded the trace, so what broke there need not break here.";
/** How far before the break a look back goes. */
const STEPS_BACK = 100;

export class NoriVerdict extends LitElement {
  static override properties = {
    view: { attribute: false },
    name: { type: String },
    finishing: { attribute: false },
  };

  static override styles = [
    shared,
    css`
      .about {
        justify-content: space-between;
        gap: 8px 18px;
      }
      .note {
        flex: 1 1 260px;
        color: var(--muted);
        font-size: 13.5px;
      }
      progress {
        width: 150px;
        accent-color: var(--accent);
      }
      .result {
        margin-top: 10px;
        padding: 10px 14px;
        border: 1px solid var(--line);
        border-left: 4px solid var(--tone);
        border-radius: 8px;
        font-size: 14px;
      }
      .good {
        --tone: var(--accent);
      }
      .bad {
        --tone: var(--danger);
      }
      .result strong {
        color: var(--tone);
      }
      p {
        margin: 4px 0 8px;
        overflow-wrap: anywhere;
        white-space: pre-wrap;
      }
      dl {
        display: flex;
        flex-wrap: wrap;
        gap: 2px 22px;
        margin: 0;
        font-size: 13px;
      }
      dl div {
        display: flex;
        gap: 6px;
      }
      dt {
        color: var(--muted);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
      .result button {
        margin-top: 10px;
      }
    `,
  ];

  declare view: View | null;
  /** Of the file or the scenario. */
  declare name: string;
  /** How much is done on the way to the end, 0 to 1; null when nobody hurries. */
  declare finishing: number | null;

  override render() {
    const run = this.view?.run;
    if (!run || (run.kind === "cluster" && !run.broken)) {
      return nothing;
    }
    return html`
      <div class="row about">
        <strong>${title(run, this.name)}</strong>
        <span class="note">${run.note}</span>
        ${run.done_ppm === null ? nothing : this.#way(run)}
      </div>
      ${run.broken ? this.#broken(run.broken) : nothing}
      ${run.recorded ? compared(run.recorded) : nothing}
      ${
        run.over && !run.broken && run.recorded?.same !== false
          ? html`
              <div class="result good" role="status">
                <strong>The run is over, and no promise was broken.</strong>
                ${
                  run.kind === "seed"
                    ? html`<code>norikv sim --seed ${run.seed}</code> ends with the same hash,
                        unless you interfered.`
                    : nothing
                }
              </div>
            `
          : nothing
      }
    `;
  }

  #way(run: RunView) {
    const done = this.finishing ?? (run.done_ppm ?? 0) / 1e6;
    return html`
      <span class="row">
        <progress aria-label="How much of the run is done" max="1" value=${done}></progress>
        ${
          this.finishing === null
            ? html`
                <button
                  ?disabled=${run.over}
                  @click=${() => this.dispatchEvent(tell("finish", "end"))}
                >
                  Run to the end
                </button>
              `
            : html`<button @click=${() => this.dispatchEvent(tell("halt", null))}>Stop</button>`
        }
      </span>
    `;
  }

  #broken(broken: Broken) {
    const { invariant, text, group, nodes, at, steps } = broken;
    const back = Math.max(steps - STEPS_BACK, 0);
    return html`
      <div class="result bad" role="alert">
        <strong>A promise was broken: ${invariant.replaceAll("-", " ")}</strong>
        <p>${text}</p>
        <dl>
          ${fact("invariant", invariant)}
          ${nodes.length === 0 ? nothing : fact(nodes.length === 1 ? "node" : "nodes", nodes.join(" and "))}
          ${group === null ? nothing : fact("group", group)} ${fact("time", seconds(at))}
          ${fact("step", steps)}
        </dl>
        ${
          this.view?.run.kind === "cluster"
            ? nothing
            : html`<button @click=${() => this.dispatchEvent(tell("finish", back))}>
                Look ${STEPS_BACK} steps back
              </button>`
        }
      </div>
    `;
  }
}

function title(run: RunView, name: string): string {
  switch (run.kind) {
    case "cluster":
      return `Calm cluster, seed ${run.seed}`;
    case "seed":
      return `Swarm of faults, seed ${run.seed}`;
    case "scenario":
      return `Scenario ${name}`;
    case "trace":
      return `Trace ${name}`;
  }
}

function fact(name: string, value: string | number) {
  return html`<div>
    <dt>${name}</dt>
    <dd class="mono">${value}</dd>
  </div>`;
}

function compared({
  steps,
  records,
  trace_hash,
  same,
  hash_here,
  first_difference: first,
}: Recorded) {
  if (same === null) {
    return nothing;
  }
  if (same) {
    return html`
      <div class="result good" role="status">
        <strong>The replay matches.</strong>
        It did what was recorded, all ${records} records of ${steps} steps: trace hash
        <span class="mono">${trace_hash}</span>.
      </div>
    `;
  }
  return html`
    <div class="result bad" role="alert">
      <strong>The replay does not match.</strong>
      <p>${OTHERWISE}</p>
      <dl>
        ${fact("recorded hash", trace_hash)} ${fact("hash of this run", hash_here ?? "")}
        ${fact("recorded steps", steps)}
        ${
          first
            ? html`${fact("first difference", `record ${first.record} of ${records}`)}
              ${first.at === null ? nothing : fact("at", seconds(first.at))}
              ${first.node === null ? nothing : fact("node", first.node)}`
            : nothing
        }
      </dl>
    </div>
  `;
}

customElements.define("nori-verdict", NoriVerdict);
