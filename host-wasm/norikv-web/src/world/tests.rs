use super::World;
use norikv_types::Mono;

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
    let frame: serde_json::Value = serde_json::from_slice(&world.frame()).expect("JSON");
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
