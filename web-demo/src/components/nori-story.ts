/** What happened, in sentences, newest first. */

import { LitElement, css, html } from "lit";
import { repeat } from "lit/directives/repeat.js";

import { seconds } from "../format.js";
import type { Model } from "../model.js";
import type { View } from "../view.js";
import { shared } from "./shared.js";

const SHOWN = 40;

export class NoriStory extends LitElement {
  static override properties = {
    model: { attribute: false },
    view: { attribute: false },
    group: { type: Number },
  };

  static override styles = [
    shared,
    css`
      ol {
        height: 300px;
        margin: 0;
        padding: 0;
        overflow-y: auto;
        list-style: none;
        font-size: 13.5px;
      }
      li {
        display: flex;
        gap: 10px;
        padding: 3px 0;
        border-bottom: 1px solid color-mix(in srgb, var(--line) 55%, transparent);
      }
      time {
        flex: none;
        width: 66px;
        color: var(--muted);
        font: 12px/1.65 var(--mono);
        text-align: right;
      }
      .good {
        color: var(--accent);
        font-weight: 600;
      }
      .bad {
        color: var(--danger);
      }
    `,
  ];

  declare model: Model;
  declare view: View | null;
  declare group: number;

  override render() {
    const told = this.model.stories
      .filter(({ group }) => group === null || group === this.group)
      .slice(-SHOWN)
      .reverse();
    return html`
      <h2>What happens</h2>
      <p class="hint">In group ${this.group} and in the cluster, newest first.</p>
      <ol tabindex="0" aria-label="What happened, newest first">
        ${repeat(
          told,
          ({ id }) => id,
          ({ at, tone, text }) =>
            html`<li><time>${seconds(at)}</time><span class=${tone}>${text}</span></li>`,
        )}
      </ol>
    `;
  }
}

customElements.define("nori-story", NoriStory);
