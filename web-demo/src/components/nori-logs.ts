/** One group's log on every node, side by side: what is durable, and the line below which all is committed. */

import { LitElement, css, html, nothing } from "lit";

import type { Model, Replica } from "../model.js";
import type { View } from "../view.js";
import { shared } from "./shared.js";

const ROWS = 12;
const TERM_COLOURS = 6;

export class NoriLogs extends LitElement {
  static override properties = {
    model: { attribute: false },
    view: { attribute: false },
    group: { type: Number },
  };

  static override styles = [
    shared,
    css`
      table {
        table-layout: fixed;
        border-spacing: 4px 0;
        border-collapse: separate;
        font-family: var(--mono);
        font-size: 12px;
      }
      th {
        text-align: center;
        font-size: 12px;
      }
      th:first-child {
        width: 38px;
      }
      tbody th {
        text-align: right;
        font-variant-numeric: tabular-nums;
      }
      td {
        height: 22px;
        padding: 1px 0;
        text-align: center;
        border-bottom: 2px solid transparent;
      }
      td.commit {
        border-bottom-color: var(--accent);
      }
      .entry {
        border-radius: 4px;
        background: var(--term);
      }
      .entry.volatile {
        background: transparent;
        box-shadow: inset 0 0 0 1.5px var(--term);
        color: var(--muted);
      }
      .entry.open {
        opacity: 0.6;
      }
      .dead {
        opacity: 0.45;
      }
      .key {
        display: flex;
        flex-wrap: wrap;
        gap: 4px 14px;
        margin-top: 8px;
        color: var(--muted);
        font-size: 12.5px;
      }
      .key i {
        display: inline-block;
        width: 18px;
        height: 11px;
        margin-right: 5px;
        border-radius: 3px;
        vertical-align: -1px;
        background: var(--term-0);
      }
      .key i.volatile {
        background: transparent;
        box-shadow: inset 0 0 0 1.5px var(--term-0);
      }
      .key i.line {
        height: 2px;
        vertical-align: 3px;
        background: var(--accent);
      }
    `,
  ];

  declare model: Model;
  declare view: View | null;
  declare group: number;

  override render() {
    if (!this.view) {
      return nothing;
    }
    const replicas = this.model.replicas(this.group);
    const last = Math.max(1, ...replicas.map(({ log }) => log?.entries.at(-1)?.index ?? 0));
    const first = Math.max(1, last - ROWS + 1);
    const rows = Array.from({ length: ROWS }, (_, nth) => first + nth);
    return html`
      <h2>Log of group ${this.group}</h2>
      <p class="hint">
        An entry shows the term in which it was written. It is committed, for good, once a majority
        has it on disk.
      </p>
      <table aria-label=${`Log of group ${this.group} on every node`}>
        <thead>
          <tr>
            <th scope="col"><span class="visually-hidden">Index</span></th>
            ${replicas.map(({ node }) => html`<th scope="col">node ${node}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (index) => html`
              <tr>
                <th scope="row">${index}</th>
                ${replicas.map((replica) => this.#cell(replica, index))}
              </tr>
            `,
          )}
        </tbody>
      </table>
      <div class="key" aria-hidden="true">
        <span><i></i>on disk</span><span><i class="volatile"></i>not yet on disk</span>
        <span><i class="line"></i>committed up to here, as the node knows</span>
      </div>
    `;
  }

  #cell({ node, alive, status, log }: Replica, index: number) {
    const entry = log?.entries.find((cell) => cell.index === index);
    const commit = status?.commit_index === index ? "commit" : "";
    if (!entry || !log) {
      return html`<td class=${commit}></td>`;
    }
    const durable = index <= log.durable_index;
    const committed = index <= (status?.commit_index ?? 0);
    const words = `${durable ? "on disk" : "not yet on disk"}, ${committed ? "committed" : "not committed"}`;
    return html`
      <td class="${commit} ${alive ? "" : "dead"}" data-node=${node} data-committed=${committed}>
        <div
          class="entry ${durable ? "" : "volatile"} ${committed ? "" : "open"}"
          style=${`--term: var(--term-${entry.term % TERM_COLOURS})`}
          title=${`Index ${index}, term ${entry.term}: ${words}`}
        >
          t${entry.term}
        </div>
      </td>
    `;
  }
}

customElements.define("nori-logs", NoriLogs);
