/** Which Raft group the page looks at: one button a group, with its leader. */

import { LitElement, css, html } from "lit";

import type { Model } from "../model.js";
import type { View } from "../view.js";
import { shared, tell } from "./shared.js";

export class NoriGroups extends LitElement {
  static override properties = {
    model: { attribute: false },
    view: { attribute: false },
    group: { type: Number },
  };

  static override styles = [
    shared,
    css`
      .groups {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(56px, 1fr));
        gap: 6px;
      }
      button {
        display: flex;
        flex-direction: column;
        align-items: center;
        padding: 4px 2px;
        line-height: 1.25;
      }
      button[aria-pressed="true"] {
        border-color: var(--accent);
        box-shadow: inset 0 0 0 1px var(--accent);
      }
      small {
        color: var(--muted);
        font-weight: 400;
        font-size: 11.5px;
        white-space: nowrap;
      }
      small.none {
        color: var(--candidate);
      }
    `,
  ];

  declare model: Model;
  declare view: View | null;
  declare group: number;

  override render() {
    return html`
      <h2>Groups</h2>
      <p class="hint">
        Each key belongs to one of eight groups. Every group is a Raft of its own, with its own
        leader and its own log, on the same nodes.
      </p>
      <div class="groups">${this.model.groups().map((group) => this.#button(group))}</div>
    `;
  }

  #button(group: number) {
    const leader = this.model.leader(group);
    return html`
      <button
        aria-pressed=${group === this.group ? "true" : "false"}
        aria-label=${`Group ${group}, ${leader ? `led by node ${leader.node}` : "no leader"}`}
        @click=${() => this.dispatchEvent(tell("group", group))}
      >
        ${group}
        ${
          leader
            ? html`<small>node ${leader.node}</small>`
            : html`<small class="none">no leader</small>`
        }
      </button>
    `;
  }
}

customElements.define("nori-groups", NoriGroups);
