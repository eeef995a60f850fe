/** Where the run is: virtual time, steps, and the hash of everything so far. */

import { LitElement, css, html } from "lit";

import { seconds } from "../format.js";
import type { View } from "../view.js";
import { shared } from "./shared.js";

export class NoriStats extends LitElement {
  static override properties = { view: { attribute: false } };

  static override styles = [
    shared,
    css`
      dl {
        display: flex;
        flex-wrap: wrap;
        gap: 2px 18px;
        margin: 0;
        font-size: 13px;
      }
      div {
        display: flex;
        gap: 6px;
      }
      dt {
        color: var(--muted);
      }
      dd {
        margin: 0;
      }
    `,
  ];

  declare view: View | null;

  override render() {
    return html`
      <dl>
        <div>
          <dt>time</dt>
          <dd class="mono">${seconds(this.view?.at ?? 0)}</dd>
        </div>
        <div>
          <dt>steps</dt>
          <dd class="mono" id="steps">${this.view?.steps ?? 0}</dd>
        </div>
        <div>
          <dt title="Of everything that went into a node and came out of it">trace hash</dt>
          <dd class="mono" id="hash">${this.view?.trace_hash ?? ""}</dd>
        </div>
      </dl>
    `;
  }
}

customElements.define("nori-stats", NoriStats);
