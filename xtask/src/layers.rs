//! The arrows of ARCHITECTURE.md, checked against the manifests.
//!
//! **Invariant: a crate of this workspace depends only on crates that the picture draws for it.**

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What each engine crate may depend on, besides `norikv-types`.
const ENGINE: [(&str, &[&str]); 13] = [
    ("norikv-types", &[]),
    ("nori-env", &[]),
    ("nori-skiplist", &[]),
    ("nori-observe", &[]),
    ("nori-wal", &["nori-env"]),
    ("nori-sstable", &["nori-env"]),
    (
        "nori-lsm",
        &["nori-wal", "nori-sstable", "nori-skiplist", "nori-env"],
    ),
    ("nori-raft", &[]),
    ("nori-swim", &[]),
    ("norikv-placement", &[]),
    ("norikv-testkit", &["nori-env"]),
    (
        "norikv-node",
        &[
            "nori-env",
            "nori-observe",
            "nori-wal",
            "nori-sstable",
            "nori-lsm",
            "nori-raft",
            "nori-swim",
            "norikv-placement",
        ],
    ),
    (
        "norikv-sim",
        &[
            "nori-env",
            "nori-observe",
            "nori-wal",
            "nori-sstable",
            "nori-lsm",
            "nori-raft",
            "nori-swim",
            "norikv-placement",
            "norikv-node",
            "norikv-testkit",
        ],
    ),
];

/// What each native crate may depend on besides the engine.
const NATIVE: [(&str, &[&str]); 11] = [
    ("norikv-api", &[]),
    ("norikv-transport-quic", &[]),
    ("norikv-transport-grpc", &["norikv-api"]),
    ("nori-observe-prom", &[]),
    ("nori-observe-otlp", &[]),
    (
        "norikv-runtime",
        &["norikv-transport-quic", "norikv-transport-grpc"],
    ),
    ("norikv-client", &["norikv-api"]),
    ("norikv-chaos", &["norikv-api", "norikv-client"]),
    ("norikv-edge", &[]),
    ("norikv-server", &["*native"]),
    ("norikv-bench", &["*native"]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Engine,
    Native,
    Wasm,
    Automation,
}

fn workspace() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata of this workspace")
}

fn layer(package: &Package) -> Layer {
    let folder = package
        .manifest_path
        .parent()
        .and_then(|crate_dir| crate_dir.parent());
    match folder.and_then(|dir| dir.file_name()) {
        Some("engine-core") => Layer::Engine,
        Some("host-native") => Layer::Native,
        Some("host-wasm") => Layer::Wasm,
        _ => Layer::Automation,
    }
}

/// Every arrow of the manifests that the picture does not draw.
fn undrawn(metadata: &Metadata) -> Vec<String> {
    let layers: BTreeMap<&str, Layer> = metadata
        .packages
        .iter()
        .map(|package| (package.name.as_str(), layer(package)))
        .collect();
    let engine: BTreeMap<&str, &[&str]> = ENGINE.into_iter().collect();
    let native: BTreeMap<&str, &[&str]> = NATIVE.into_iter().collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let from = package.name.as_str();
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            let Some(to_layer) = layers.get(to) else {
                continue;
            };
            let test_only = dependency.kind == DependencyKind::Development;
            // A crate may switch on a feature of its own for its tests.
            if test_only && to == from {
                continue;
            }
            let drawn = match layer(package) {
                Layer::Engine => {
                    *to_layer == Layer::Engine
                        && (to == "norikv-types"
                            || engine
                                .get(from)
                                .is_some_and(|allowed| allowed.contains(&to))
                            || (test_only && (to == "norikv-testkit" || to == "nori-env")))
                }
                Layer::Native => match to_layer {
                    Layer::Engine => true,
                    Layer::Native => native.get(from).is_some_and(|allowed| {
                        allowed.contains(&to) || allowed.contains(&"*native") || test_only
                    }),
                    Layer::Wasm | Layer::Automation => false,
                },
                Layer::Wasm => *to_layer == Layer::Engine,
                Layer::Automation => false,
            };
            if !drawn {
                wrong.push(format!("{from} → {to}"));
            }
        }
    }
    wrong
}

#[test]
fn no_manifest_has_an_arrow_that_the_picture_lacks() {
    let wrong = undrawn(&workspace());
    assert!(
        wrong.is_empty(),
        "not drawn in DESIGN or ARCHITECTURE.md: {wrong:?}"
    );
}

#[test]
fn an_arrow_from_raft_to_the_log_would_be_found() {
    let mut metadata = workspace();
    let log_user = metadata
        .packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .find(|dependency| dependency.name == "nori-wal")
        .expect("someone uses the log")
        .clone();
    let raft = metadata
        .packages
        .iter_mut()
        .find(|package| package.name.as_str() == "nori-raft")
        .expect("nori-raft is a member");
    raft.dependencies.push(log_user);
    assert_eq!(undrawn(&metadata), ["nori-raft → nori-wal"]);
}

#[test]
fn every_crate_is_in_the_picture_and_bears_its_folder_s_name() {
    let metadata = workspace();
    let known: BTreeSet<&str> = ENGINE
        .iter()
        .chain(&NATIVE)
        .map(|(name, _)| *name)
        .chain(["norikv-web", "norikv-component", "xtask"])
        .collect();
    for package in &metadata.packages {
        let name = package.name.as_str();
        assert!(known.contains(name), "{name} is not in the picture");
        let folder = package
            .manifest_path
            .parent()
            .and_then(|dir| dir.file_name());
        assert_eq!(
            folder,
            Some(name),
            "{name} lies in a folder of another name"
        );
        assert!(
            Path::new(package.manifest_path.as_str())
                .with_file_name("README.md")
                .exists()
                || layer(package) == Layer::Automation,
            "{name} has no README.md"
        );
    }
}
