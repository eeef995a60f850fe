//! The scenarios that are kept as files: each is understood, runs without a violation, answers, and
//! lets happen what it says.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use norikv_sim::{FaultKind, Scenario, SimConfig, World, gossip, run};

/// Every file of the folder.
fn files() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|file| file.expect("it can be listed").path())
        .map(|path| {
            let text = fs::read_to_string(&path).expect("it is text");
            (path.display().to_string(), text)
        })
        .collect();
    files.sort();
    files
}

fn clusters() -> Vec<(String, SimConfig)> {
    let mut clusters = Vec::new();
    for (name, text) in files() {
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!scenario.note.is_empty(), "{name} says what it is about");
        if let World::Cluster(config) = scenario.world {
            clusters.push((name, config));
        }
    }
    assert!(clusters.len() >= 8, "{} files of clusters", clusters.len());
    clusters
}

#[test]
fn each_cluster_keeps_its_promises_and_answers_while_everything_in_its_plan_strikes() {
    for (name, config) in clusters() {
        let mut planned = BTreeMap::<FaultKind, u64>::new();
        for entry in &config.plan {
            *planned
                .entry(entry.action.fault().expect("files hold faults only"))
                .or_default() += 1;
        }
        let report = run(config);
        println!("{name}\n{report}");
        assert_eq!(report.violation, None, "{name}");
        assert_eq!(report.undecided_key, None, "{name}");
        assert_eq!(report.coverage.faults, planned, "{name}");
        let clients = report.clients;
        assert!(clients.answered > 200, "{name}: {clients:?}");
    }
}

#[test]
fn a_thousand_members_learn_who_died() {
    let mut runs = 0;
    for (name, text) in files() {
        let scenario = Scenario::parse(&text).expect("it was understood before");
        if let World::Gossip(config) = scenario.world {
            let report = gossip::run(&config);
            println!("{name}\n{report}");
            assert_eq!(report.violation, None, "{name}");
            let struck: u64 = report.counters.faults.iter().sum();
            assert_eq!(struck, config.faults.len() as u64, "{name}");
            assert!(report.counters.packets > 1_000_000, "{name}");
            runs += 1;
        }
    }
    assert_eq!(runs, 1);
}

/// A scenario holds for what the seed leaves open, not for one lucky seed.
#[test]
fn each_cluster_keeps_its_promises_with_other_seeds() {
    for (name, config) in clusters() {
        for seed in 100..105 {
            let report = run(SimConfig {
                seed,
                ..config.clone()
            });
            assert_eq!(report.violation, None, "{name} with seed {seed}");
        }
    }
}

#[test]
fn each_file_is_read_back_equal_after_it_was_written() {
    for (name, text) in files() {
        let scenario = Scenario::parse(&text).expect("it was understood before");
        let again = Scenario::parse(&scenario.to_text());
        assert_eq!(again.as_ref(), Ok(&scenario), "{name}");
    }
}
