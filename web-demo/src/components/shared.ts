/** What the components have in common: their look, and how they speak to the page. */

import { css } from "lit";

import type { Command } from "../protocol.js";

export const shared = css`
  :host {
    display: block;
    min-width: 0;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h2 {
    margin: 0 0 2px;
    font-size: 15px;
    font-weight: 650;
  }
  p.hint {
    margin: 0 0 10px;
    color: var(--muted);
    font-size: 13px;
  }
  button,
  input,
  select {
    min-height: 34px;
    padding: 4px 11px;
    border: 1px solid var(--line);
    border-radius: 8px;
    background: var(--panel);
    color: var(--ink);
    font: inherit;
    font-size: 14px;
  }
  button {
    cursor: pointer;
    font-weight: 550;
  }
  button:hover:not(:disabled) {
    border-color: var(--accent);
  }
  button:disabled {
    opacity: 0.45;
    cursor: default;
  }
  button.primary {
    border-color: var(--accent);
    background: var(--accent);
    color: var(--on-accent);
  }
  button.danger {
    border-color: color-mix(in srgb, var(--danger) 45%, var(--line));
    color: var(--danger);
  }
  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
  }
  .mono {
    font-family: var(--mono);
    font-variant-numeric: tabular-nums;
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 13px;
  }
  th {
    color: var(--muted);
    font-weight: 500;
    text-align: left;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
`;

/** An event that the page hears from any depth. */
export function tell<T>(name: string, detail: T): CustomEvent<T> {
  return new CustomEvent(name, { detail, bubbles: true, composed: true });
}

/** Asks the page to send a command to the engine. */
export function command(detail: Command): CustomEvent<Command> {
  return tell("command", detail);
}
