//! The scenarios that are kept as files: each is understood, runs without a violation, answers, and
//! lets happen what it says.

use std::collections::BTreeSet;
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
        let faults = config.plan.iter().map(|entry| entry.action.fault());
        let planned: BTreeSet<FaultKind> = faults
            .map(|fault| fault.expect("files hold faults only"))
            .collect();
        let report = run(config);
        println!("{name}\n{report}");
        assert_eq!(report.violation, None, "{name}");
        assert_eq!(report.undecided_key, None, "{name}");
        let struck: BTreeSet<FaultKind> = report
            .coverage
            .faults
            .iter()
            .map(|(kind, _)| kind)
            .collect();
        assert_eq!(struck, planned, "{name}");
        let clients = report.clients;
        assert!(clients.answered > 200, "{name}: {clients:?}");
    }
}

/// With a quarter of the members, for a quick test; `norikv sim --scenario` runs the thousand.
#[test]
fn members_of_a_gossip_learn_who_died() {
    let mut runs = 0;
    for (name, text) in files() {
        let scenario = Scenario::parse(&text).expect("it was understood before");
        if let World::Gossip(mut config) = scenario.world {
            assert_eq!(config.members, 1_000, "{name}");
            config.members = 250;
            let report = gossip::run(&config);
            println!("{name}\n{report}");
            assert_eq!(report.violation, None, "{name}");
            let struck = report.counters.faults.total();
            assert_eq!(struck, config.faults.len() as u64, "{name}");
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
