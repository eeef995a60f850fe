use alloc::format;
use alloc::string::{String, ToString};

use super::{Scenario, ScenarioError, World};
use crate::SimConfig;
use crate::gossip::GossipConfig;
use crate::storage::StorageConfig;

#[test]
fn every_drawn_run_is_read_back_equal() {
    for seed in 0..200 {
        let mut scenario = Scenario::new(SimConfig::drawn(seed, 5, 3_000));
        scenario.note = String::from("quotes \" and\nlines");
        let text = scenario.to_text();
        assert_eq!(Scenario::parse(&text).as_ref(), Ok(&scenario), "{text}");
    }
}

#[test]
fn every_drawn_run_of_the_other_worlds_is_read_back_equal() {
    for seed in 0..100 {
        for world in [
            World::Storage(StorageConfig::standard(seed)),
            World::Gossip(GossipConfig::standard(seed)),
        ] {
            let note = String::new();
            let scenario = Scenario { note, world };
            let text = scenario.to_text();
            assert_eq!(Scenario::parse(&text).as_ref(), Ok(&scenario), "{text}");
        }
    }
}

fn error(cluster: &str) -> String {
    let text = std::format!("norikv_scenario = 1\n[cluster]\n{cluster}\n");
    match Scenario::parse(&text) {
        Ok(_) => panic!("understood: {text}"),
        Err(error) => std::format!("{error}"),
    }
}

#[test]
fn an_error_names_the_line_and_the_field() {
    let unknown = error("nodes = 3\nnode = 3");
    assert!(unknown.contains("line 4"), "{unknown}");
    assert!(unknown.contains("`node`"), "{unknown}");
    let kind = error("seed = \"seven\"");
    assert!(kind.contains("line 3") && kind.contains("seed"), "{kind}");
    let syntax = error("seed = ");
    assert!(syntax.contains("line 3"), "{syntax}");
    let action = error("plan = [\n{ at_ms = 1, do = \"explode\" },\n]");
    assert!(action.contains("explode"), "{action}");
    let field = error("plan = [\n{ at_ms = 1, do = \"wipe\", node = 1, for_ms = 3 },\n]");
    assert!(
        field.contains("entry 1 of the plan (wipe) has no field \"for_ms\""),
        "{field}"
    );
}

#[test]
fn what_no_simulation_could_run_is_refused() {
    for impossible in [
        "nodes = 0",
        "nodes = 1000000",
        "groups = 0",
        "replication = 0",
        "drift_ppm_max = 1000000",
        "plan = [{ at_ms = 1, do = \"scan\", client = 0, consistency = \"lease\" }]",
        "until_ms = 9223372036854775807",
        "links.delay = { min_us = 3, max_us = 2 }",
    ] {
        error(impossible);
    }
}

#[test]
fn another_format_and_another_world_are_told_apart_from_mistakes() {
    let later = Scenario::parse("norikv_scenario = 2\n[cluster]\n");
    assert_eq!(later, Err(ScenarioError::Format(2)));
    let none = Scenario::parse("norikv_scenario = 1\n");
    assert_eq!(none, Err(ScenarioError::Worlds(0)));
    let two = Scenario::parse("norikv_scenario = 1\n[cluster]\n[gossip]\n");
    assert_eq!(two, Err(ScenarioError::Worlds(2)));
}

/// A text is what it was written from, also where a drawn value is the default's.
#[test]
fn links_that_share_a_bound_with_the_default_are_read_back() {
    let mut config = SimConfig::calm(1, 3);
    config.watched = false;
    config.links.delay.min = core::time::Duration::from_micros(100);
    let scenario = Scenario::new(config);
    assert_eq!(Scenario::parse(&scenario.to_text()), Ok(scenario));
}

#[test]
fn what_cannot_be_or_cannot_be_paid_for_is_refused_by_name() {
    for (text, why) in [
        ("nodes = 3\nreplication = 5", "5 replicas on 3 nodes"),
        ("clients.count = 4294967295", "clients.count is 4294967295"),
        ("clients.value_bytes_max = 20000000", "value_bytes_max"),
        ("storage.table_bytes = 4611686018427387904", "table_bytes"),
        ("drift_ppm_max = 50000", "drift"),
        (
            "plan = [{ at_ms = 1, do = \"wipe\", node = 9 }]",
            "node 9 of 3",
        ),
        (
            "until_ms = 1000\nplan = [{ at_ms = 5000, do = \"wipe\", node = 1 }]",
            "until_ms is 1000",
        ),
        (
            "clients.count = 1\nplan = [{ at_ms = 1, do = \"put\", client = 0, key = 700 }]",
            "key 700 of 64",
        ),
    ] {
        let refused = Scenario::parse(&format!("norikv_scenario = 1\n[cluster]\n{text}\n"));
        let error = refused.expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}
