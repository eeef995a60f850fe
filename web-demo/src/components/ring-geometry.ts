/** Where things are in the ring. The first node stands on top, the others follow clockwise. */

import type { MessageView } from "../view.js";

export interface Point {
  x: number;
  y: number;
}

/** What a message is about, as far as its colour goes. */
export type Kind = "heartbeat" | "append" | "vote" | "call" | "snapshot" | "swim";

const RADIUS = 150;
/** Messages of the two directions of a link keep apart by twice this. */
const LANE = 6;

export function place(node: number, count: number): Point {
  const angle = ((node - 1) / count) * 2 * Math.PI - Math.PI / 2;
  return { x: RADIUS * Math.cos(angle), y: RADIUS * Math.sin(angle) };
}

/** Where a message is that has covered `progress` (0 to 1) of its way, on its side of the link. */
export function travel(from: number, to: number, count: number, progress: number): Point {
  const [start, end] = [place(from, count), place(to, count)];
  const [dx, dy] = [end.x - start.x, end.y - start.y];
  const length = Math.max(Math.hypot(dx, dy), 1);
  return {
    x: start.x + dx * progress - (dy / length) * LANE,
    y: start.y + dy * progress + (dx / length) * LANE,
  };
}

export function kindOf(message: MessageView): Kind {
  if (message.lane === "swim") {
    return "swim";
  }
  if (message.lane === "snapshot" || message.kind.startsWith("snapshot")) {
    return "snapshot";
  }
  if (message.lane === "forward") {
    return "call";
  }
  if (message.kind.includes("vote")) {
    return "vote";
  }
  return message.kind.startsWith("append") ? "append" : "heartbeat";
}
