/** What a visitor can break and mend. */

import { LitElement, css, html } from "lit";

import type { Model } from "../model.js";
import type { View } from "../view.js";
import { command, shared } from "./shared.js";

export class NoriActions extends LitElement {
  static override properties = {
    model: { attribute: false },
    view: { attribute: false },
    group: { type: Number },
    selected: { type: Number },
    side: { state: true },
  };

  static override styles = [
    shared,
    css`
      .row + .row {
        margin-top: 8px;
      }
      fieldset {
        display: flex;
        flex-wrap: wrap;
        gap: 4px 10px;
        align-items: center;
        margin: 0;
        padding: 0;
        border: 0;
        font-size: 14px;
      }
      fieldset label {
        display: inline-flex;
        gap: 4px;
        align-items: center;
        min-height: 34px;
      }
      fieldset input {
        min-height: 0;
        width: 17px;
        height: 17px;
        accent-color: var(--accent);
      }
      legend {
        float: left;
        padding: 0;
        color: var(--muted);
        font-size: 13px;
      }
      strong {
        min-width: 58px;
        font-size: 14px;
      }
      form input {
        width: 92px;
      }
    `,
  ];

  declare model: Model;
  declare view: View | null;
  declare group: number;
  declare selected: number;
  declare side: ReadonlySet<number>;

  constructor() {
    super();
    this.side = new Set([1, 2]);
  }

  override render() {
    const nodes = this.view?.nodes ?? [];
    const leader = this.model.leader(this.group);
    const alive = nodes.find((node) => node.node === this.selected)?.alive ?? false;
    const cut = (this.view?.cuts.length ?? 0) > 0;
    const down = nodes.some((node) => !node.alive);
    return html`
      <h2>Break it</h2>
      <p class="hint">Choose a node in the ring. Nothing that was acknowledged may get lost.</p>
      <div class="row" role="group" aria-label="The leader">
        <button
          class="danger"
          ?disabled=${!leader}
          @click=${() => leader && this.#send({ type: "kill", node: leader.node })}
        >
          Kill the leader
        </button>
        <button class="danger" ?disabled=${!leader} @click=${this.#cutLeaderAway}>
          Cut the leader away
        </button>
        <button ?disabled=${!down} @click=${this.#restartAll}>Restart all</button>
      </div>
      <div class="row" role="group" aria-label=${`Node ${this.selected}`}>
        <strong>Node ${this.selected}</strong>
        <button
          class="danger"
          ?disabled=${!alive}
          @click=${() => this.#send({ type: "kill", node: this.selected })}
        >
          Kill
        </button>
        <button
          class="danger"
          title="What was not synced to disk is lost or torn"
          ?disabled=${!alive}
          @click=${() => this.#send({ type: "cut_power", node: this.selected })}
        >
          Cut power
        </button>
        <button @click=${() => this.#send({ type: "restart", node: this.selected })}>
          Restart
        </button>
      </div>
      <div class="row" role="group" aria-label="The network">
        <fieldset>
          <legend>Cut off</legend>
          ${nodes.map(
            ({ node }) => html`
              <label>
                <input
                  type="checkbox"
                  aria-label=${`Cut off node ${node}`}
                  .checked=${this.side.has(node)}
                  @change=${() => {
                    this.#toggle(node);
                  }}
                />
                ${node}
              </label>
            `,
          )}
        </fieldset>
        <button
          class="danger"
          @click=${() => this.#send({ type: "partition", side: [...this.side] })}
        >
          Partition
        </button>
        <button ?disabled=${!cut} @click=${() => this.#send({ type: "heal" })}>Heal</button>
      </div>
      <form class="row" @submit=${this.#put} style="margin-top: 8px">
        <strong>Write</strong>
        <input name="key" aria-label="Key" value="hello" maxlength="64" required />
        <input name="value" aria-label="Value" value="world" maxlength="64" />
        <button>Put</button>
      </form>
    `;
  }

  #send(detail: Parameters<typeof command>[0]): void {
    this.dispatchEvent(command(detail));
  }

  /** The leader and one other node: a minority that cannot commit. */
  #cutLeaderAway(): void {
    const leader = this.model.leader(this.group);
    if (leader) {
      const nodes = this.view?.nodes.map(({ node }) => node) ?? [];
      const other = nodes.find((node) => node !== leader.node);
      this.side = new Set(other === undefined ? [leader.node] : [leader.node, other]);
      this.#send({ type: "partition", side: [...this.side] });
    }
  }

  #restartAll(): void {
    for (const { node, alive } of this.view?.nodes ?? []) {
      if (!alive) {
        this.#send({ type: "restart", node });
      }
    }
  }

  #toggle(node: number): void {
    const side = new Set(this.side);
    if (!side.delete(node)) {
      side.add(node);
    }
    this.side = side;
  }

  #put(event: SubmitEvent): void {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const text = (name: string): string => {
      const value = form.get(name);
      return typeof value === "string" ? value : "";
    };
    this.#send({ type: "put", key: text("key"), value: text("value") });
  }
}

customElements.define("nori-actions", NoriActions);
