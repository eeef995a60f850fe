/**
 * What the page knows: a fold over frames. The engine's frames say how things are; what was, and
 * what a node that is down said last, is remembered here.
 */

import { narrate, type Story } from "./narrate.js";
import type { LogColumn, NodeView, ReplicaStatus, View } from "./view.js";

/** A node in the light of one group. */
export interface Replica {
  node: number;
  alive: boolean;
  /** What it says of the group, or said last. */
  status: ReplicaStatus | null;
  log: LogColumn | null;
}

export interface Leader {
  node: number;
  term: number;
}

const STORIES_MAX = 400;

export class Model {
  view: View | null = null;
  stories: Story[] = [];

  #lastStatus = new Map<string, ReplicaStatus>();
  #nextStory = 0;

  fold(view: View): void {
    this.view = view;
    for (const node of view.nodes) {
      for (const group of node.status?.groups ?? []) {
        if (group.replica) {
          this.#lastStatus.set(`${node.node}/${group.group}`, group.replica);
        }
      }
    }
    for (const event of view.events) {
      const told = narrate(event);
      if (told) {
        this.stories.push({ ...told, id: this.#nextStory });
        this.#nextStory += 1;
      }
    }
    this.stories.splice(0, this.stories.length - STORIES_MAX);
  }

  /** The ids of the groups. */
  groups(): number[] {
    const groups = (this.view?.nodes ?? []).flatMap(({ logs }) => logs.map(({ group }) => group));
    return [...new Set(groups)].sort((one, other) => one - other);
  }

  replicas(group: number): Replica[] {
    return (this.view?.nodes ?? []).map((node) => this.#replica(node, group));
  }

  /**
   * The leader of the highest term among living nodes. One that was cut off still believes in
   * itself, in an older term, until it hears otherwise.
   */
  leader(group: number): Leader | null {
    const leaders = this.replicas(group).flatMap(({ node, alive, status }) =>
      alive && status?.role === "leader" ? [{ node, term: status.term }] : [],
    );
    return leaders.reduce<Leader | null>(
      (best, leader) => (best && best.term > leader.term ? best : leader),
      null,
    );
  }

  /** Whether a link is cut in at least one direction. */
  isCut(one: number, other: number): boolean {
    return (this.view?.cuts ?? []).some(
      ([from, to]) => (from === one && to === other) || (from === other && to === one),
    );
  }

  #replica(node: NodeView, group: number): Replica {
    return {
      node: node.node,
      alive: node.alive,
      status: this.#lastStatus.get(`${node.node}/${group}`) ?? null,
      log: node.logs.find((log) => log.group === group) ?? null,
    };
  }
}
