//! What a run of the storage world consists of.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nori_env::Owner;
use nori_lsm::{DEFAULT_KEYSPACE, KeyspaceOptions, Log, Options, SyncPolicy, TableOptions};
use norikv_testkit::DiskOptions;
use norikv_types::Prng;
use serde::{Deserialize, Serialize};

use super::fault::{self, StorageFault};
use super::write::Append;

/// A run of the storage world, whole: the same configuration gives the same run. It is the content
/// of a scenario file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Seeds every random choice.
    pub seed: u64,
    /// Operations of the workload.
    pub operations: u32,
    /// Operations that are left out: half-open ranges of their numbers. The others stay as they are.
    pub omitted: Vec<(u32, u32)>,
    /// How many keys there are; at most 65,536.
    pub keys: u32,
    /// Longest value in bytes.
    pub value_bytes_max: u32,
    /// Writes of one batch at most.
    pub batch_max: u32,
    /// Longest pause between two operations, in microseconds.
    pub pause_max_us: u64,
    /// How likely each kind of operation is.
    pub weights: OperationWeights,
    /// What is written besides puts and deletes.
    pub kinds: WriteKinds,
    /// What a write waits for.
    pub sync: SyncKind,
    /// How the engine is opened.
    pub engine: EngineSizes,
    /// How the disk behaves when nothing is wrong.
    pub disk: DiskShape,
    /// What goes wrong, in order.
    pub faults: Vec<StorageFault>,
    /// A batch whose last write the model forgets: for the test that the checks can fail.
    pub misremember: Option<u64>,
}

/// How likely each kind of operation is, relative to the others. One with weight 0 never happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationWeights {
    /// A batch of puts and deletes.
    pub write: u32,
    /// A read of one key, now or in a snapshot.
    pub get: u32,
    /// A range from one end or both, now or in a snapshot.
    pub scan: u32,
    /// A snapshot is taken, or an old one let go.
    pub snapshot: u32,
    /// An iterator that stays open moves on.
    pub iterate: u32,
    /// The memtable is rotated.
    pub rotate: u32,
    /// Everything is flushed.
    pub flush: u32,
    /// A job is taken, stepped or given up.
    pub job: u32,
    /// Background work is done until there is none, and the objects on the disk are counted.
    pub settle: u32,
    /// The store is closed, or not, and opened again.
    pub reopen: u32,
    /// A compare-and-set.
    pub compare: u32,
    /// A transaction.
    pub transact: u32,
    /// A checkpoint or a backup is made, opened and read.
    pub copy: u32,
}

/// What is written besides puts and deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriteKinds {
    /// Deleted ranges.
    pub ranges: bool,
    /// Operands, which are appended.
    pub operands: bool,
    /// Values that end.
    pub ending: bool,
}

/// What a write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncKind {
    /// A sync of its own.
    Always,
    /// A sync.
    Group,
    /// Nothing; a sync comes this many milliseconds later.
    Interval(u32),
    /// Nothing.
    Never,
}

impl SyncKind {
    pub(super) const fn policy(self) -> SyncPolicy {
        match self {
            Self::Always => SyncPolicy::Always,
            Self::Group => SyncPolicy::Group,
            Self::Interval(ms) => SyncPolicy::Interval(Duration::from_millis(ms as u64)),
            Self::Never => SyncPolicy::Never,
        }
    }
}

/// How the engine is opened: small figures, so that little data goes through every part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSizes {
    /// Bytes at which a memtable is rotated.
    pub memtable_bytes: u64,
    /// Rotated memtables at which writes stall.
    pub memtables_waiting_max: u32,
    /// Runs of level 0 at which they are compacted.
    pub fresh_runs_min: u32,
    /// Runs of level 0 at which writes stall.
    pub fresh_runs_max: u32,
    /// Bytes of level 1 at which it is compacted.
    pub level_base_bytes: u64,
    /// How many times larger each further level may be.
    pub level_ratio: u32,
    /// Bytes at which compaction cuts a table.
    pub table_bytes: u64,
    /// Bytes of a block of a table.
    pub block_bytes: u32,
    /// Bytes of the block cache.
    pub cache_bytes: u64,
    /// Bytes at which the manifest is written anew.
    pub manifest_bytes: u64,
    /// Bytes from which on values lie in value files.
    pub value_separation: Option<u32>,
    /// Bytes of a segment of the log.
    pub log_segment_bytes: u64,
    /// How long a failed job is left alone, in milliseconds.
    pub retry_ms: u64,
}

/// How the disk behaves when nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskShape {
    /// Tearing unit in bytes, a power of two.
    pub unit: u32,
    /// Whether a write harms only bytes in its range.
    pub power_safe_overwrite: bool,
    /// Whether objects can be recycled.
    pub recycle: bool,
}

impl StorageConfig {
    /// The standard swarm: shapes and faults that the seed draws, some kinds on and some off in
    /// each run, since faults hide each other when all are always on.
    #[must_use]
    pub fn standard(seed: u64) -> Self {
        let prng = &mut Prng::new(seed ^ 0x5354_4f52_4147_4501);
        let operations = 2_000;
        let keys = 1 << (2 + draw(prng, 6));
        let config = Self {
            seed,
            operations,
            omitted: Vec::new(),
            keys,
            value_bytes_max: pick(prng, [16, 60, 200, 1_000]),
            batch_max: pick(prng, [1, 2, 6]),
            pause_max_us: pick(prng, [100, 10_000, 100_000]),
            weights: OperationWeights::draw(prng),
            engine: EngineSizes::draw(prng),
            disk: DiskShape {
                unit: pick(prng, [512, 512, 4_096]),
                power_safe_overwrite: draw(prng, 3) > 0,
                recycle: draw(prng, 2) > 0,
            },
            kinds: WriteKinds::default(),
            sync: SyncKind::Group,
            faults: Vec::new(),
            misremember: None,
        };
        let mut faults = fault::draw_all(prng, operations);
        let more = &mut Prng::new(seed ^ 0x4d4f_5245);
        let kinds = WriteKinds {
            ranges: draw(more, 2) > 0,
            operands: draw(more, 2) > 0,
            ending: draw(more, 2) > 0,
        };
        let every = 1 + draw(more, 500);
        let sync = pick(
            more,
            [
                SyncKind::Group,
                SyncKind::Group,
                SyncKind::Always,
                SyncKind::Interval(every),
                SyncKind::Never,
            ],
        );
        let weights = OperationWeights {
            compare: OperationWeights::rare(more, 60),
            transact: OperationWeights::rare(more, 60),
            copy: OperationWeights::rare(more, 3),
            ..config.weights
        };
        let value_separation = pick(more, [None, None, Some(1), Some(40), Some(200)]);
        if value_separation.is_some() {
            fault::strike_values(&mut faults);
        }
        Self {
            faults,
            kinds,
            sync,
            weights,
            engine: EngineSizes {
                value_separation,
                ..config.engine
            },
            ..config
        }
    }

    pub(super) fn disk_options(&self) -> DiskOptions {
        DiskOptions {
            unit: self.disk.unit,
            psow: self.disk.power_safe_overwrite,
            recycle: self.disk.recycle,
            ..DiskOptions::default()
        }
    }

    pub(super) fn lsm_options(&self, log: Log) -> Options {
        let sizes = &self.engine;
        let appending = KeyspaceOptions {
            merge_operator: Some(Arc::new(Append)),
            ..KeyspaceOptions::default()
        };
        Options {
            log,
            memtable_bytes: sizes.memtable_bytes,
            memtables_waiting_max: sizes.memtables_waiting_max.max(1),
            fresh_runs_min: sizes.fresh_runs_min.max(1),
            fresh_runs_max: sizes.fresh_runs_max.max(sizes.fresh_runs_min.max(1) + 1),
            level_base_bytes: sizes.level_base_bytes.max(1),
            level_ratio: sizes.level_ratio.max(2),
            table_bytes: sizes.table_bytes,
            cache_bytes: sizes.cache_bytes,
            table: TableOptions {
                block_bytes: sizes.block_bytes,
                ..TableOptions::default()
            },
            manifest_bytes: sizes.manifest_bytes,
            value_separation: sizes.value_separation,
            log_segment_bytes: sizes.log_segment_bytes,
            batch_bytes_max: self.batch_bytes_max(),
            retry: Duration::from_millis(sizes.retry_ms),
            owner: Some(Owner(1)),
            sync: self.sync.policy(),
            keyspaces: [(DEFAULT_KEYSPACE.into(), appending)].into(),
            ..Options::default()
        }
    }

    /// The longest batch that the workload writes, with room to spare.
    pub(super) fn batch_bytes_max(&self) -> u32 {
        2 * (self.batch_max + 1) * (self.value_bytes_max + 64) + 64
    }

    /// Whether operation `number` is carried out.
    pub(super) fn includes(&self, number: u32) -> bool {
        let mut omitted = self.omitted.iter();
        !omitted.any(|(from, to)| (*from..*to).contains(&number))
    }
}

impl OperationWeights {
    fn draw(prng: &mut Prng) -> Self {
        let rare = Self::rare;
        Self {
            write: 200 + draw(prng, 600),
            get: draw(prng, 400),
            scan: draw(prng, 40),
            snapshot: rare(prng, 30),
            iterate: rare(prng, 60),
            rotate: rare(prng, 40),
            flush: rare(prng, 6),
            job: draw(prng, 500),
            settle: rare(prng, 3),
            reopen: rare(prng, 6),
            ..Self::NONE
        }
    }

    /// At most `max`, and in every other run never.
    fn rare(prng: &mut Prng, max: u32) -> u32 {
        match draw(prng, 2) {
            0 => 0,
            _ => draw(prng, max + 1),
        }
    }

    /// Nothing happens.
    const NONE: Self = Self {
        write: 0,
        get: 0,
        scan: 0,
        snapshot: 0,
        iterate: 0,
        rotate: 0,
        flush: 0,
        job: 0,
        settle: 0,
        reopen: 0,
        compare: 0,
        transact: 0,
        copy: 0,
    };

    pub(super) const fn list(&self) -> [u32; 13] {
        [
            self.write,
            self.get,
            self.scan,
            self.snapshot,
            self.iterate,
            self.rotate,
            self.flush,
            self.job,
            self.settle,
            self.reopen,
            self.compare,
            self.transact,
            self.copy,
        ]
    }
}

impl EngineSizes {
    fn draw(prng: &mut Prng) -> Self {
        let bits = |prng: &mut Prng, low: u32, span: u32| 1_u64 << (low + draw(prng, span));
        let fresh_runs_min = 1 + draw(prng, 4);
        Self {
            memtable_bytes: bits(prng, 9, 7),
            memtables_waiting_max: 1 + draw(prng, 4),
            fresh_runs_min,
            fresh_runs_max: fresh_runs_min + 1 + draw(prng, 6),
            level_base_bytes: bits(prng, 11, 6),
            level_ratio: 2 + draw(prng, 4),
            table_bytes: bits(prng, 9, 6),
            block_bytes: pick(prng, [128, 512, 4_096]),
            cache_bytes: pick(prng, [0, 4 << 10, 1 << 20]),
            manifest_bytes: bits(prng, 9, 6),
            value_separation: None,
            log_segment_bytes: bits(prng, 12, 5),
            retry_ms: pick(prng, [1, 50, 250]),
        }
    }
}

impl Default for StorageConfig {
    /// A thousand operations of seed 0 on a disk that does nothing wrong.
    fn default() -> Self {
        Self {
            seed: 0,
            operations: 1_000,
            omitted: Vec::new(),
            keys: 64,
            value_bytes_max: 60,
            batch_max: 4,
            pause_max_us: 1_000,
            weights: OperationWeights::default(),
            kinds: WriteKinds::default(),
            sync: SyncKind::Group,
            engine: EngineSizes::default(),
            disk: DiskShape::default(),
            faults: Vec::new(),
            misremember: None,
        }
    }
}

impl Default for WriteKinds {
    /// All.
    fn default() -> Self {
        Self {
            ranges: true,
            operands: true,
            ending: true,
        }
    }
}

impl Default for OperationWeights {
    /// A little of everything.
    fn default() -> Self {
        Self {
            write: 400,
            get: 200,
            scan: 20,
            snapshot: 15,
            iterate: 30,
            rotate: 10,
            flush: 2,
            job: 250,
            settle: 1,
            reopen: 2,
            compare: 10,
            transact: 10,
            copy: 1,
        }
    }
}

impl Default for EngineSizes {
    /// A memtable of 2 KiB, and the rest to match.
    fn default() -> Self {
        Self {
            memtable_bytes: 2 << 10,
            memtables_waiting_max: 2,
            fresh_runs_min: 2,
            fresh_runs_max: 4,
            level_base_bytes: 4 << 10,
            level_ratio: 2,
            table_bytes: 1 << 10,
            block_bytes: 512,
            cache_bytes: 1 << 20,
            manifest_bytes: 4 << 10,
            value_separation: None,
            log_segment_bytes: 16 << 10,
            retry_ms: 50,
        }
    }
}

impl Default for DiskShape {
    /// Units of 512 bytes, power-safe overwrite, recycling.
    fn default() -> Self {
        Self {
            unit: 512,
            power_safe_overwrite: true,
            recycle: true,
        }
    }
}

pub(super) fn draw(prng: &mut Prng, bound: u32) -> u32 {
    u32::try_from(prng.below(u64::from(bound))).unwrap_or(0)
}

pub(super) fn pick<T: Copy, const N: usize>(prng: &mut Prng, items: [T; N]) -> T {
    items[usize::try_from(prng.below(N as u64)).unwrap_or(0)]
}
