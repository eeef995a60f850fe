use super::*;

fn frame(byte: u8, size: usize) -> Bytes {
    Bytes::from(vec![byte; size])
}

fn flat(chunks: &[Bytes]) -> Vec<u8> {
    chunks
        .iter()
        .flat_map(|chunk| chunk.iter().copied())
        .collect()
}

#[test]
fn small_frames_leave_in_one_chunk_each_after_its_length() {
    let queue = LaneQueue::new(8, 1 << 20, true);
    queue.push(frame(1, 2)).expect("room");
    queue.push(frame(2, 0)).expect("room");
    queue.push(frame(3, 1)).expect("room");
    let chunks = queue.take(usize::MAX);
    assert_eq!(chunks.len(), 1);
    assert_eq!(flat(&chunks), [2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 3]);
    assert_eq!(queue.bytes(), 0);
    assert!(queue.take(usize::MAX).is_empty());
}

#[test]
fn large_frames_are_not_copied_and_keep_their_place() {
    let queue = LaneQueue::new(8, 1 << 20, true);
    let large = frame(7, COPY_MAX + 1);
    queue.push(frame(1, 1)).expect("room");
    queue.push(large.clone()).expect("room");
    queue.push(frame(2, 1)).expect("room");
    let chunks = queue.take(usize::MAX);
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks[1].as_ptr(), large.as_ptr());
    assert_eq!(flat(&chunks[..1]), [1, 0, 0, 0, 1, 1, 64, 0, 0]);
    assert_eq!(flat(&chunks[2..]), [1, 0, 0, 0, 2]);
}

#[test]
fn the_oldest_gives_way_where_loss_is_tolerated() {
    let queue = LaneQueue::new(2, 1 << 20, true);
    for byte in 1..=4 {
        queue.push(frame(byte, 1)).expect("never refuses");
    }
    assert_eq!(
        flat(&queue.take(usize::MAX)),
        [1, 0, 0, 0, 3, 1, 0, 0, 0, 4]
    );
    assert_eq!(queue.dropped(), 2);
}

#[test]
fn the_newest_is_refused_where_loss_is_not_tolerated() {
    let queue = LaneQueue::new(8, 10, false);
    queue.push(frame(1, 8)).expect("room");
    assert_eq!(queue.push(frame(2, 3)), Err(Full));
    queue.push(frame(3, 2)).expect("room");
    assert_eq!(queue.dropped(), 1);
    assert_eq!(queue.bytes(), 10);
}

#[test]
fn a_frame_over_the_byte_bound_goes_when_it_is_alone() {
    let queue = LaneQueue::new(8, 10, false);
    queue.push(frame(1, 100)).expect("one frame always fits");
    assert_eq!(queue.push(frame(2, 1)), Err(Full));
}

#[test]
fn a_batch_ends_near_its_bound() {
    let queue = LaneQueue::new(100, 1 << 20, true);
    for _ in 0..10 {
        queue.push(frame(1, 96)).expect("room");
    }
    assert_eq!(flat(&queue.take(250)).len(), 300);
    assert_eq!(flat(&queue.take(usize::MAX)).len(), 700);
}
