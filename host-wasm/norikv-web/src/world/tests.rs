use super::World;
use norikv_sim::{FaultKind, Recording, SimConfig, Simulation};
use norikv_types::Mono;
use serde_json::Value;

#[test]
fn the_same_steps_in_other_portions_give_the_same_hash() {
    let mut one = World::new(42, 5);
    let mut many = World::new(42, 5);
    assert_eq!(one.step(600), 600);
    for _ in 0..6 {
        many.step(99);
        assert!(!many.frame().is_empty());
        many.step(1);
    }
    assert_eq!(many.steps(), 600);
    assert_eq!(one.trace_hash(), many.trace_hash());
}

#[test]
fn time_in_portions_gives_the_hash_of_its_steps() {
    let mut timed = World::new(42, 5);
    for _ in 0..50 {
        timed.advance(16_667, 10_000);
    }
    let mut stepped = World::new(42, 5);
    let steps = u32::try_from(timed.steps()).expect("few");
    assert!(steps > 100, "{steps}");
    stepped.step(steps);
    assert_eq!(timed.trace_hash(), stepped.trace_hash());
}

#[test]
fn a_bound_on_steps_stops_time() {
    let mut world = World::new(7, 5);
    world.advance(10_000_000, 20);
    assert_eq!(world.steps(), 20);
    assert!(world.simulation.now() < Mono::from_nanos(10_000_000_000));
}

#[test]
fn another_seed_is_another_run() {
    let mut one = World::new(1, 5);
    let mut other = World::new(2, 5);
    one.step(300);
    other.step(300);
    assert_ne!(one.trace_hash(), other.trace_hash());
}

#[test]
fn a_partition_cuts_both_directions_of_each_link_between_its_sides() {
    let mut world = World::new(42, 5);
    world.advance(2_000_000, 100_000);
    world.partition(&[1, 2]);
    assert_eq!(world.simulation.view().cuts.len(), 2 * 2 * 3);
    world.heal();
    assert_eq!(world.simulation.view().cuts, []);
}

#[test]
fn a_frame_is_json_with_what_the_page_draws() {
    let mut world = World::new(42, 5);
    world.advance(2_000_000, 100_000);
    let frame: Value = serde_json::from_slice(&world.frame()).expect("JSON");
    assert_eq!(frame["nodes"].as_array().map(Vec::len), Some(5));
    assert_eq!(frame["trace_hash"], world.trace_hash());
    let leaders = frame["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| node["status"]["groups"][0]["replica"]["role"] == "leader");
    assert_eq!(leaders.count(), 1);
    assert!(frame["violation"].is_null());
}

#[test]
fn watching_a_seed_in_any_portions_ends_with_the_hash_of_its_whole_run() {
    let whole = norikv_sim::run_seed(3);
    let mut watched = World::of_seed(3);
    let mut stepped = World::of_seed(3);
    for _ in 0..5_000 {
        watched.advance(16_667, 4_000);
    }
    while !stepped.is_over() {
        assert_eq!(frame(&mut stepped)["run"]["over"], false);
        stepped.step(777);
    }
    for world in [&mut watched, &mut stepped] {
        assert!(world.is_over());
        assert_eq!(world.steps(), whole.steps);
        assert_eq!(world.trace_hash(), format!("{:016x}", whole.hash));
        let frame = frame(world);
        assert_eq!(frame["run"]["kind"], "seed");
        assert_eq!(frame["run"]["seed"], "3");
        assert_eq!(frame["run"]["done_ppm"], 1_000_000);
        assert!(frame["run"]["broken"].is_null());
    }
}

#[test]
fn a_scenario_opens_and_is_judged_at_its_end() {
    let mut world = World::open(SCENARIO.into()).expect("a scenario");
    assert_eq!(frame(&mut world)["run"]["note"], "a node is killed");
    world.advance(700_000, 100_000);
    assert!(
        !frame(&mut world)["nodes"][0]["alive"]
            .as_bool()
            .expect("a flag")
    );
    while !world.is_over() {
        world.step(1_000);
    }
    let whole = norikv_sim::run(config());
    assert_eq!(whole.violation, None);
    assert_eq!(world.trace_hash(), format!("{:016x}", whole.hash));
}

#[test]
fn a_trace_replays_to_its_end_and_matches() {
    for stopped_after in [None, Some(500)] {
        let recording = record(config(), stopped_after);
        let mut world = World::open(recording.as_bytes().to_vec()).expect("a trace");
        assert!(frame(&mut world)["run"]["recorded"]["same"].is_null());
        while !world.is_over() {
            world.step(100);
        }
        assert_eq!(world.steps(), recording.steps());
        let recorded = &frame(&mut world)["run"]["recorded"];
        assert_eq!(recorded["same"], true);
        assert_eq!(recorded["trace_hash"], world.trace_hash());
    }
}

#[test]
fn a_trace_of_another_run_does_not_match_and_the_first_difference_is_named() {
    let recording = record(
        SimConfig {
            flip: Some(40),
            ..config()
        },
        None,
    );
    let mut world = World::open(recording.as_bytes().to_vec()).expect("a trace");
    while !world.is_over() {
        world.step(1_000);
    }
    let recorded = &frame(&mut world)["run"]["recorded"];
    assert_eq!(recorded["same"], false);
    assert_eq!(recorded["hash_here"], world.trace_hash());
    let first = recorded["first_difference"]["record"].as_u64();
    assert!(first.is_some_and(|first| first > 40), "{first:?}");
    assert!(recorded["first_difference"]["node"].is_u64());
}

#[test]
fn a_broken_promise_stops_the_run_at_its_step_and_is_named() {
    let text = SCENARIO.replace("[cluster]", LINKS_THAT_CARRY_NOTHING);
    let mut world = World::open(text.into()).expect("a scenario");
    while !world.is_over() {
        world.step(10_000);
    }
    let frame = frame(&mut world);
    let broken = &frame["run"]["broken"];
    assert_eq!(broken["invariant"], "no-leader");
    assert_eq!(broken["steps"], frame["steps"]);
    assert_eq!(frame["violation"], broken["text"]);
    assert_eq!(world.step(10), 0);
}

#[test]
fn what_cannot_be_opened_is_refused_with_the_reason() {
    let whole = record(config(), Some(100)).into_bytes();
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    let crowd = SCENARIO.replace("[cluster]", "[cluster]\nnodes = 12");
    let typo = SCENARIO.replace("for_ms", "for_s");
    let cases: [(&[u8], &str); 5] = [
        (&flipped, "damaged"),
        (&whole[..whole.len() - 9], "cut off"),
        (&[0xff, 0xfe, 0], "neither a trace nor a scenario"),
        (crowd.as_bytes(), "1 to 9 nodes"),
        (typo.as_bytes(), "for_s"),
    ];
    for (bytes, reason) in cases {
        let error = World::open(bytes.to_vec()).expect_err(reason);
        assert!(error.contains(reason), "{reason:?} is not in {error:?}");
    }
}

#[test]
fn the_page_has_a_word_for_every_fault() {
    let words = include_str!("../../../../web-demo/src/narrate.ts");
    for kind in FaultKind::ALL {
        let name = serde_json::to_value(kind).expect("a name");
        let entry = format!("  {}: \"", name.as_str().expect("a name"));
        assert!(words.contains(&entry), "{kind:?} has no sentence");
    }
}

fn frame(world: &mut World) -> Value {
    serde_json::from_slice(&world.frame()).expect("JSON")
}

fn config() -> SimConfig {
    let scenario = norikv_sim::Scenario::parse(SCENARIO).expect("a scenario");
    scenario.into_cluster().expect("of a cluster")
}

fn record(config: SimConfig, stopped_after: Option<u64>) -> Recording {
    let mut world = Simulation::new(SimConfig {
        recorded: true,
        ..config
    });
    match stopped_after {
        None => world.run_to_the_end(),
        Some(steps) => while world.steps() < steps && world.step().is_some() {},
    }
    world.take_trace().expect("recorded")
}

const SCENARIO: &str = r#"
norikv_scenario = 1
note = "a node is killed"

[cluster]
seed = 5
plan = [
    { at_ms = 600, do = "kill", node = 1, for_ms = 400 },
]

[cluster.clients]
count = 2
free = true
judged = true
"#;

/// No cluster comes to rest over them, however right it is.
const LINKS_THAT_CARRY_NOTHING: &str = "[cluster]\nlinks = { loss_ppm = 1000000 }";
