/** The frames of the engine: what `norikv-sim` writes as its `View`, field for field. */

/** Nanoseconds of virtual time. */
export type Nanos = number;

export type Role = "follower" | "pre_candidate" | "candidate" | "leader";

export type MemberState = "unknown" | "alive" | "suspect" | "faulty" | "left";

export interface View {
  at: Nanos;
  steps: number;
  trace_hash: string;
  nodes: NodeView[];
  messages: MessageView[];
  cuts: [number, number][];
  clients: ClientCounters;
  events: EventView[];
  events_dropped: number;
  violation: string | null;
  run: RunView;
}

/** What runs, how far it is, and what came of it. */
export interface RunView {
  kind: "cluster" | "seed" | "scenario" | "trace";
  seed: string;
  note: string;
  /** Null where there is no end. */
  done_ppm: number | null;
  over: boolean;
  broken: Broken | null;
  recorded: Recorded | null;
}

/** A broken promise. */
export interface Broken {
  /** Its name, as `norikv sim --until` takes it. */
  invariant: string;
  text: string;
  group: number | null;
  nodes: number[];
  at: Nanos;
  steps: number;
}

/** What a trace file says of the run that was recorded. */
export interface Recorded {
  steps: number;
  records: number;
  trace_hash: string;
  /** Null until the run is over. */
  same: boolean | null;
  hash_here: string | null;
  first_difference: { record: number; at: Nanos | null; node: number | null } | null;
}

export interface NodeView {
  node: number;
  alive: boolean;
  paused: boolean;
  starts: number;
  status: NodeStatus | null;
  logs: LogColumn[];
  log_disk: DiskView;
  data_disk: DiskView;
}

export interface NodeStatus {
  ready: boolean;
  halted: boolean;
  groups: GroupStatus[];
  members: Member[];
}

export interface GroupStatus {
  group: number;
  replicas: number[];
  leader: number | null;
  replica: ReplicaStatus | null;
}

export interface ReplicaStatus {
  role: Role;
  term: number;
  last_index: number;
  commit_index: number;
  applied_index: number;
  flushed_index: number;
  released_index: number;
}

export interface Member {
  node: number;
  state: MemberState;
  incarnation: number;
}

export interface LogColumn {
  group: number;
  durable_index: number;
  entries: LogCell[];
}

export interface LogCell {
  index: number;
  term: number;
}

export interface DiskView {
  objects: number;
  used: number;
  appended_bytes: number;
  read_bytes: number;
  syncs: number;
  units_harmed: number;
}

export interface MessageView {
  id: number;
  from: number;
  to: number;
  lane: "control" | "append" | "forward" | "snapshot" | "swim";
  kind: string;
  group: number | null;
  bytes: number;
  sent: Nanos;
  arrives: Nanos;
}

export interface ClientCounters {
  invoked: number;
  answered: number;
  refused: number;
  unknown: number;
}

export interface EventView {
  at: Nanos;
  what: Happened;
}

/** One key is present: the name of what happened. */
export interface Happened {
  node?: { node: number; event: NodeEvent };
  started?: { node: number };
  stopped?: { node: number; power_cut: boolean };
  links?: { cuts: [number, number][] };
  fault?: { kind: FaultKind };
  visitor?: { request: number; node: number; result: VisitorResult };
}

/** What a plan can do to a cluster. */
export type FaultKind =
  | "kill"
  | "power_cut"
  | "crash_at_write"
  | "blackout"
  | "pause"
  | "slow_cpu"
  | "jump_wall"
  | "jump_clock"
  | "partition"
  | "cut"
  | "bridge"
  | "mesh"
  | "clog"
  | "flap"
  | "slow_receiver"
  | "storm"
  | "slow_disk"
  | "sync_failure"
  | "disk_full"
  | "bit_rot"
  | "latent_sector"
  | "misdirect"
  | "wipe"
  | "replace"
  | "transfer"
  | "change_replicas";

/** One key is present. */
export interface NodeEvent {
  Raft?: { group: number; event: RaftEvent };
  Member?: Member;
  Halted?: unknown;
  SnapshotInstalled?: { group: number; from: number; version: Version };
}

/** One key is present. */
export interface RaftEvent {
  RoleChanged?: { role: Role; term: number };
  VoteCast?: { candidate: number; term: number };
  LogTruncated?: { from: number };
}

export interface Version {
  term: number;
  index: number;
}

export interface VisitorResult {
  Ok?: { Written?: { version: Version } };
  Err?: { message: string; applied: string };
}
