use alloc::vec;

use super::*;

const MODEL: Queue<u8> = Queue::new();

#[test]
fn the_first_in_is_the_first_out() {
    let took = |value| {
        MODEL.step(
            &vec![1, 2],
            &QueueInput::Dequeue,
            Some(&QueueOutput::Took(value)),
        )
    };
    assert_eq!(took(1), Some(vec![2]));
    assert_eq!(took(2), None);
    let enqueue = QueueInput::Enqueue(3);
    assert_eq!(MODEL.step(&vec![1], &enqueue, None), Some(vec![1, 3]));
}

#[test]
fn only_an_empty_queue_says_that_it_is_empty() {
    let empty = Some(&QueueOutput::Empty);
    let nothing = Vec::new();
    assert_eq!(
        MODEL.step(&nothing, &QueueInput::Dequeue, empty),
        Some(vec![])
    );
    assert_eq!(MODEL.step(&vec![1], &QueueInput::Dequeue, empty), None);
    let took = Some(&QueueOutput::Took(1));
    assert_eq!(MODEL.step(&nothing, &QueueInput::Dequeue, took), None);
}

#[test]
fn a_dequeue_whose_answer_was_lost_takes_the_first_if_there_is_one() {
    assert_eq!(
        MODEL.step(&vec![1, 2], &QueueInput::Dequeue, None),
        Some(vec![2])
    );
    assert_eq!(
        MODEL.step(&vec![], &QueueInput::Dequeue, None),
        Some(vec![])
    );
}
