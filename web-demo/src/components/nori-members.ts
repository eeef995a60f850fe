/** Who believes whom to be there: each node's SWIM table as one row. */

import { LitElement, css, html, nothing } from "lit";

import type { MemberState, NodeView, View } from "../view.js";
import { shared } from "./shared.js";

const MARKS: Record<MemberState, string> = {
  unknown: "·",
  alive: "●",
  suspect: "?",
  faulty: "✕",
  left: "–",
};

export class NoriMembers extends LitElement {
  static override properties = { view: { attribute: false } };

  static override styles = [
    shared,
    css`
      table {
        table-layout: fixed;
      }
      th,
      td {
        height: 28px;
        text-align: center;
      }
      th:first-child {
        width: 66px;
        text-align: left;
      }
      td {
        border: 1px solid var(--line);
        font-weight: 700;
      }
      .alive {
        color: var(--accent);
      }
      .suspect {
        background: color-mix(in srgb, var(--warn) 22%, transparent);
        color: var(--warn);
      }
      .faulty {
        background: color-mix(in srgb, var(--danger) 20%, transparent);
        color: var(--danger);
      }
      .self,
      .none {
        background: color-mix(in srgb, var(--line) 40%, transparent);
        color: var(--muted);
        font-weight: 400;
      }
      .legend {
        margin-top: 8px;
        gap: 4px 14px;
        color: var(--muted);
        font-size: 12.5px;
      }
      .legend b {
        margin-right: 4px;
      }
    `,
  ];

  declare view: View | null;

  override render() {
    if (!this.view) {
      return nothing;
    }
    const nodes = this.view.nodes;
    return html`
      <h2>Who sees whom</h2>
      <p class="hint">
        SWIM: nodes probe each other at random and pass on what they hear. A row is what one node
        believes.
      </p>
      <table aria-label="Membership as each node sees it">
        <thead>
          <tr>
            <th scope="col">sees</th>
            ${nodes.map(({ node }) => html`<th scope="col">${node}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${nodes.map(
            (row) => html`
              <tr>
                <th scope="row">node ${row.node}</th>
                ${nodes.map((column) => this.#cell(row, column.node))}
              </tr>
            `,
          )}
        </tbody>
      </table>
      <div class="row legend">
        <span><b class="alive">●</b>alive</span><span><b class="suspect">?</b>suspect</span>
        <span><b class="faulty">✕</b>faulty</span>
      </div>
    `;
  }

  #cell(row: NodeView, about: number) {
    if (!row.alive) {
      return html`<td class="none" aria-label="down"></td>`;
    }
    if (row.node === about) {
      return html`<td class="self" aria-label="itself">–</td>`;
    }
    const member = row.status?.members.find(({ node }) => node === about);
    const state = member?.state ?? "unknown";
    return html`
      <td
        class=${state}
        aria-label=${state}
        title=${`${state}, incarnation ${member?.incarnation ?? 0}`}
      >
        ${MARKS[state]}
      </td>
    `;
  }
}

customElements.define("nori-members", NoriMembers);
