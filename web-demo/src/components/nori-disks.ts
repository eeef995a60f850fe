/** What the nodes' storage engines did to their disks. */

import { LitElement, css, html, nothing } from "lit";

import { bytes } from "../format.js";
import type { Model } from "../model.js";
import type { NodeView, View } from "../view.js";
import { shared } from "./shared.js";

export class NoriDisks extends LitElement {
  static override properties = {
    model: { attribute: false },
    view: { attribute: false },
    group: { type: Number },
  };

  static override styles = [
    shared,
    css`
      .scroll {
        overflow-x: auto;
      }
      table {
        min-width: 430px;
      }
      th,
      td {
        padding: 4px 8px 4px 0;
        text-align: right;
        white-space: nowrap;
      }
      thead th {
        border-bottom: 1px solid var(--line);
      }
      th:first-child {
        text-align: left;
      }
      td {
        font-family: var(--mono);
        font-size: 12.5px;
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
    return html`
      <h2>Disks</h2>
      <p class="hint">
        One write-ahead log serves every group of a node; one sync makes all of them durable. The
        tables are its LSM tree.
      </p>
      <div class="scroll" tabindex="0" role="region" aria-label="Disks, scrollable">
        <table>
          <thead>
            <tr>
              <th scope="col">node</th>
              <th scope="col">log written</th>
              <th scope="col">syncs</th>
              <th scope="col">segments</th>
              <th scope="col">tables written</th>
              <th scope="col">files</th>
              <th scope="col" title="Of the chosen group">flushed to</th>
              <th scope="col" title="Unsynced units that power cuts took or tore">lost</th>
            </tr>
          </thead>
          <tbody>
            ${this.view.nodes.map((node) => this.#row(node))}
          </tbody>
        </table>
      </div>
    `;
  }

  #row({ node, log_disk: log, data_disk: data }: NodeView) {
    const replica = this.model.replicas(this.group).find((replica) => replica.node === node);
    return html`
      <tr>
        <th scope="row">node ${node}</th>
        <td>${bytes(log.appended_bytes)}</td>
        <td>${log.syncs}</td>
        <td>${log.objects}</td>
        <td>${bytes(data.appended_bytes)}</td>
        <td>${data.objects}</td>
        <td>${replica?.status?.flushed_index ?? 0}</td>
        <td>${log.units_harmed + data.units_harmed}</td>
      </tr>
    `;
  }
}

customElements.define("nori-disks", NoriDisks);
