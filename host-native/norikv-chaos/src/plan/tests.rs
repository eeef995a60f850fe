use std::collections::BTreeSet;

use super::*;

fn scope(seconds: u64, pace: Pace, disks: bool) -> Scope {
    Scope {
        nodes: 3,
        groups: 8,
        duration: Duration::from_secs(seconds),
        pace,
        disks,
    }
}

#[test]
fn a_seed_has_one_plan() {
    let scope = scope(300, Pace::STEADY, true);
    assert_eq!(Plan::draw(7, &scope), Plan::draw(7, &scope));
    assert_ne!(Plan::draw(7, &scope), Plan::draw(8, &scope));
}

#[test]
fn a_short_run_meets_every_kind_of_fault() {
    for seed in 0..50 {
        let plan = Plan::draw(seed, &scope(25, Pace::SHORT, true));
        let met: BTreeSet<Kind> = plan.faults().iter().map(|each| each.fault.kind()).collect();
        assert_eq!(met.len(), Kind::ALL.len(), "seed {seed}:\n{plan}");
    }
}

#[test]
fn no_disk_is_filled_where_none_can_be() {
    let plan = Plan::draw(1, &scope(1_800, Pace::STEADY, false));
    assert!(
        plan.faults()
            .iter()
            .all(|each| each.fault.kind() != Kind::FillDisk)
    );
}

#[test]
fn faults_of_a_lane_follow_each_other_and_end_in_time() {
    let scope = scope(1_800, Pace::STEADY, true);
    let plan = Plan::draw(3, &scope);
    for lane in plan.network.iter().chain([&plan.processes, &plan.moves]) {
        assert!(lane.len() > 100, "{} faults", lane.len());
        for pair in lane.windows(2) {
            assert!(pair[0].at + pair[0].lasts < pair[1].at);
        }
        let last = lane.last().unwrap();
        assert!(last.at + last.lasts <= scope.duration);
    }
}

#[test]
fn a_drawn_fault_is_of_the_kind_it_was_drawn_for_and_names_nodes_that_exist() {
    let mut prng = Prng::new(5);
    for kind in Kind::ALL {
        for _ in 0..100 {
            let fault = Fault::draw(kind, &mut prng, 3, 8);
            assert_eq!(fault.kind(), kind);
            if let Fault::Network(links, _) = fault {
                let links = links.resolve(3, Some(2));
                assert!(!links.is_empty());
                for link in links {
                    assert!((1..=3).contains(&link.from) && (1..=3).contains(&link.to));
                    assert_ne!(link.from, link.to);
                }
            }
        }
    }
}
