/** Turns the engine's events into sentences. What would only be noise has none. */

import type { EventView, FaultKind, Nanos, NodeEvent, VisitorResult } from "./view.js";

export interface Story {
  id: number;
  at: Nanos;
  /** Null: about the cluster. */
  group: number | null;
  tone: "plain" | "good" | "bad";
  text: string;
}

export type Told = Omit<Story, "id">;

/** What each fault of a plan does. Which node it strikes, the next event often says. */
const FAULTS: Record<FaultKind, string> = {
  kill: "a process is killed",
  power_cut: "the power of a node goes",
  crash_at_write: "the power will go in the middle of a write",
  blackout: "the power of all nodes goes at once",
  pause: "a process stands still",
  slow_cpu: "a process gets a small part of its processor",
  jump_wall: "a wall clock jumps",
  jump_clock: "a clock jumps ahead",
  partition: "nodes are parted from the others",
  cut: "one direction of a link is cut",
  bridge: "two halves hear each other only through one node",
  mesh: "links are cut, so that nodes hear each other only by way of others",
  clog: "a link holds back all it carries, then delivers it at once",
  flap: "a link goes up and down",
  slow_receiver: "a node takes its time over each message",
  storm: "the whole network behaves badly",
  slow_disk: "a disk becomes slow",
  sync_failure: "a sync of a disk will fail",
  disk_full: "nothing more fits on a disk",
  bit_rot: "a bit on a disk flips",
  latent_sector: "a sector of a disk cannot be read any more",
  misdirect: "a write will land elsewhere on its disk",
  wipe: "a disk is replaced by an empty one",
  replace: "a node comes back with empty disks",
  transfer: "the operator has another node lead a group",
  change_replicas: "the operator moves replicas of a group",
};

export function narrate({ at, what }: EventView): Told | null {
  const told = (text: string, tone: Story["tone"], group: number | null = null): Told => ({
    at,
    group,
    tone,
    text,
  });
  if (what.node) {
    return nodeEvent(what.node.node, what.node.event, told);
  }
  if (what.started) {
    return told(`Node ${what.started.node} starts`, "plain");
  }
  if (what.stopped) {
    const how = what.stopped.power_cut ? "loses its power" : "is killed";
    return told(`Node ${what.stopped.node} ${how}`, "bad");
  }
  if (what.links) {
    return what.links.cuts.length === 0
      ? told("Every link works again", "good")
      : told("The network is partitioned", "bad");
  }
  if (what.fault) {
    return told(`Fault: ${FAULTS[what.fault.kind]}`, "bad");
  }
  if (what.visitor) {
    return visitor(what.visitor.node, what.visitor.result, told);
  }
  return null;
}

type Teller = (text: string, tone: Story["tone"], group?: number | null) => Told;

function nodeEvent(node: number, event: NodeEvent, told: Teller): Told | null {
  if (event.Raft) {
    const { group } = event.Raft;
    const { RoleChanged: role, VoteCast: vote, LogTruncated: cut } = event.Raft.event;
    if (role) {
      switch (role.role) {
        case "leader":
          return told(`Node ${node} leads in term ${role.term}`, "good", group);
        case "candidate":
          return told(`Node ${node} asks for votes in term ${role.term}`, "plain", group);
        case "pre_candidate":
          return told(`Node ${node} heard no leader and asks if it could win`, "plain", group);
        case "follower":
          return told(`Node ${node} follows in term ${role.term}`, "plain", group);
      }
    }
    if (vote && vote.candidate !== node) {
      return told(
        `Node ${node} votes for node ${vote.candidate} in term ${vote.term}`,
        "plain",
        group,
      );
    }
    if (cut) {
      return told(`Node ${node} drops what was never committed, from ${cut.from} on`, "bad", group);
    }
    return null;
  }
  if (event.Member && event.Member.state !== "unknown") {
    const { node: about, state } = event.Member;
    if (about === node) {
      return null;
    }
    const verb = state === "alive" ? "sees" : state === "suspect" ? "suspects" : "gives up";
    return told(`SWIM: node ${node} ${verb} node ${about}`, state === "faulty" ? "bad" : "plain");
  }
  if (event.Halted !== undefined) {
    return told(`Node ${node} halts rather than trust its disk`, "bad");
  }
  if (event.SnapshotInstalled) {
    const { group, from, version } = event.SnapshotInstalled;
    return told(
      `Node ${node} takes a snapshot up to ${version.index} from node ${from}`,
      "good",
      group,
    );
  }
  return null;
}

function visitor(node: number, result: VisitorResult, told: Teller): Told {
  const version = result.Ok?.Written?.version;
  if (version) {
    return told(
      `Your write through node ${node} is safe: term ${version.term}, index ${version.index}`,
      "good",
    );
  }
  const failure = result.Err;
  return told(
    `Your write through node ${node} failed: ${failure?.message ?? "no answer"} (applied: ${failure?.applied ?? "unknown"})`,
    "bad",
  );
}
