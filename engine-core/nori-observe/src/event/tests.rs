use alloc::vec;

use super::*;

#[test]
fn a_full_ring_keeps_the_latest_and_counts_the_rest() {
    let ring = Ring::new(3);
    for event in 0..5_u64 {
        ring.emit(Mono::from_nanos(event), event);
    }
    let kept = ring.drain();
    let latest = vec![2, 3, 4]
        .into_iter()
        .map(|event| (Mono::from_nanos(event), event));
    assert_eq!(
        kept,
        Drained {
            events: latest.collect(),
            dropped: 2
        }
    );
    assert_eq!(
        ring.drain(),
        Drained {
            events: vec![],
            dropped: 0
        }
    );
}

#[test]
fn a_sink_behind_a_pointer_is_a_sink() {
    let ring = Ring::new(1);
    let sinks: [Arc<dyn EventSink<u8>>; 2] = [Arc::new(ring.clone()), Arc::new(())];
    for sink in &sinks {
        sink.emit(Mono::ZERO, 7);
    }
    assert_eq!(ring.drain().events, [(Mono::ZERO, 7)]);
}
