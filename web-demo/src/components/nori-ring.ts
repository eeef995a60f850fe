/** The ring: nodes with their role in one group, the links between them, and what travels there. */

import { LitElement, css, html, nothing, svg } from "lit";

import type { Model, Replica } from "../model.js";
import type { MessageView, View } from "../view.js";
import { kindOf, place, travel, type Kind } from "./ring-geometry.js";
import { shared, tell } from "./shared.js";

const ROLES = {
  leader: "leader",
  candidate: "candidate",
  pre_candidate: "pre-candidate",
  follower: "follower",
} as const;

const LEGEND: readonly [Kind, string][] = [
  ["heartbeat", "heartbeat"],
  ["append", "entries"],
  ["vote", "vote"],
  ["call", "client's call"],
  ["snapshot", "snapshot"],
  ["swim", "SWIM"],
];

export class NoriRing extends LitElement {
  static override properties = {
    model: { attribute: false },
    view: { attribute: false },
    group: { type: Number },
    selected: { type: Number },
    everything: { type: Boolean, state: true },
  };

  static override styles = [
    shared,
    css`
      svg {
        display: block;
        width: 100%;
        max-height: 520px;
        overflow: visible;
      }
      .link {
        stroke: var(--line);
        stroke-width: 1.5;
      }
      .link.cut {
        stroke: var(--danger);
        stroke-dasharray: 3 7;
        opacity: 0.75;
      }
      .node {
        cursor: pointer;
        outline: none;
      }
      .node .disc {
        fill: var(--panel);
        stroke: var(--role);
        stroke-width: 3;
      }
      .node.leader .disc {
        fill: var(--role);
      }
      .node.candidate .disc,
      .node.pre_candidate .disc {
        stroke-dasharray: 9 5;
      }
      .node.down .disc {
        stroke-dasharray: 2 5;
      }
      .node .halo {
        fill: none;
        stroke: transparent;
        stroke-width: 2;
      }
      .node.selected .halo {
        stroke: color-mix(in srgb, var(--accent) 45%, transparent);
      }
      .node:focus-visible .halo {
        stroke: var(--accent);
      }
      text {
        fill: var(--ink);
        font-size: 12px;
        text-anchor: middle;
      }
      .node .id {
        font-size: 22px;
        font-weight: 700;
      }
      .node.leader .id,
      .node.leader .term {
        fill: var(--on-accent);
      }
      .node .term {
        font-family: var(--mono);
        font-size: 11px;
      }
      .node .role {
        fill: var(--role);
        font-weight: 650;
      }
      .node.down .id {
        fill: var(--down);
      }
      .heartbeat {
        --kind: var(--heartbeat);
      }
      .append {
        --kind: var(--append);
      }
      .vote {
        --kind: var(--vote);
      }
      .call {
        --kind: var(--call);
      }
      .snapshot {
        --kind: var(--snapshot);
      }
      .swim {
        --kind: var(--swim);
      }
      .message {
        fill: var(--kind);
      }
      .message.reply {
        fill: var(--page);
        stroke: var(--kind);
        stroke-width: 2;
      }
      .message.other {
        opacity: 0.35;
      }
      .legend {
        justify-content: center;
        gap: 4px 14px;
        color: var(--muted);
        font-size: 12.5px;
      }
      .legend span::before {
        content: "";
        display: inline-block;
        width: 9px;
        height: 9px;
        margin-right: 5px;
        border-radius: 50%;
        background: var(--kind);
      }
      .legend label {
        display: inline-flex;
        align-items: center;
        gap: 5px;
      }
      .legend input {
        min-height: 0;
        accent-color: var(--accent);
      }
    `,
  ];

  declare model: Model;
  declare view: View | null;
  declare group: number;
  declare selected: number;
  declare everything: boolean;

  constructor() {
    super();
    this.everything = false;
  }

  override render() {
    if (!this.view) {
      return nothing;
    }
    const replicas = this.model.replicas(this.group);
    const leader = this.model.leader(this.group);
    return html`
      <svg
        viewBox="-230 -205 460 425"
        role="group"
        aria-label=${
          leader
            ? `Ring of nodes; node ${leader.node} leads group ${this.group} in term ${leader.term}`
            : `Ring of nodes; group ${this.group} has no leader`
        }
      >
        ${this.#links(this.view.nodes.length)}
        ${this.view.messages.filter((message) => this.#shows(message)).map((m) => this.#message(m))}
        ${replicas.map((replica) => this.#node(replica, replica.node === leader?.node))}
      </svg>
      <div class="row legend">
        ${LEGEND.map(([kind, name]) => html`<span class=${kind}>${name}</span>`)}
        <label>
          <input
            type="checkbox"
            .checked=${this.everything}
            @change=${(event: Event) => {
              this.everything = (event.target as HTMLInputElement).checked;
            }}
          />
          other groups too
        </label>
      </div>
    `;
  }

  #shows(message: MessageView): boolean {
    return this.everything || message.group === null || message.group === this.group;
  }

  #links(count: number) {
    const links = [];
    for (let one = 1; one <= count; one += 1) {
      for (let other = one + 1; other <= count; other += 1) {
        const [from, to] = [place(one, count), place(other, count)];
        const cut = this.model.isCut(one, other) ? "link cut" : "link";
        links.push(svg`<line class=${cut} x1=${from.x} y1=${from.y} x2=${to.x} y2=${to.y}></line>`);
      }
    }
    return links;
  }

  #message(message: MessageView) {
    const view = this.view;
    if (!view) {
      return nothing;
    }
    const span = Math.max(message.arrives - message.sent, 1);
    const progress = Math.min(Math.max((view.at - message.sent) / span, 0), 1);
    const at = travel(message.from, message.to, view.nodes.length, progress);
    const kind = kindOf(message);
    const other = message.group !== null && message.group !== this.group;
    const small = kind === "swim" || kind === "heartbeat" || other;
    const reply = message.kind.endsWith("reply") || message.kind.endsWith("ack");
    return svg`
      <circle
        class=${`message ${kind} ${reply ? "reply" : ""} ${other ? "other" : ""}`}
        cx=${at.x} cy=${at.y} r=${small ? 4 : 6}
      ><title>${message.kind}, ${message.from} to ${message.to}</title></circle>
    `;
  }

  #node(replica: Replica, leads: boolean) {
    const { node, alive, status } = replica;
    const at = place(node, this.view?.nodes.length ?? 1);
    const role = alive ? (status?.role ?? "follower") : "down";
    const absent = alive && !status && !replica.log;
    const past = role === "leader" && !leads;
    const word =
      role === "down" ? "down" : absent ? "no replica" : past ? "leader of the past" : ROLES[role];
    const term = status ? `term ${status.term}` : "";
    const colour =
      role === "leader"
        ? past
          ? "--candidate"
          : "--leader"
        : role === "follower"
          ? "--follower"
          : role === "down"
            ? "--down"
            : "--candidate";
    const below = at.y > -40;
    return svg`
      <g
        class=${`node ${role} ${node === this.selected ? "selected" : ""}`}
        style=${`--role: var(${colour})`}
        transform=${`translate(${at.x} ${at.y})`}
        role="button" tabindex="0"
        aria-pressed=${node === this.selected ? "true" : "false"}
        aria-label=${`Node ${node}, ${word}${term === "" ? "" : `, ${term}`}`}
        @click=${() => this.dispatchEvent(tell("node", node))}
        @keydown=${(event: KeyboardEvent) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            event.stopPropagation();
            this.dispatchEvent(tell("node", node));
          }
        }}
      >
        <circle class="halo" r="37"></circle>
        <circle class="disc" r="30"></circle>
        <text class="id" y="3">${node}</text>
        <text class="term" y="17">${status ? `t${status.term}` : ""}</text>
        <text class="role" y=${below ? 50 : -40}>${word}</text>
      </g>
    `;
  }
}

customElements.define("nori-ring", NoriRing);
