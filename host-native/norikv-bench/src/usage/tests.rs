use std::sync::Barrier;
use std::thread;

use super::{Sample, role};

#[test]
fn work_is_counted_for_the_process_and_for_the_thread_that_did_it() {
    let barrier = Barrier::new(2);
    let before = Sample::take();
    let used = thread::scope(|scope| {
        let burning = thread::Builder::new().name("burning-7".to_owned());
        let worker = burning.spawn_scoped(scope, || {
            let start = Sample::take();
            while Sample::take().since(&start).cpu_seconds < 0.05 {}
            barrier.wait();
            barrier.wait();
        });
        barrier.wait();
        let used = Sample::take().since(&before);
        barrier.wait();
        worker.expect("a thread").join().expect("no panic");
        used
    });
    assert!(used.cpu_seconds >= 0.05, "{used:?}");
    // Other tests run in this process too, so only a lower bound holds.
    assert!(used.cpu_by_thread["burning"] > 0.0, "{used:?}");
}

#[test]
fn numbered_threads_have_one_role() {
    assert_eq!(role("norikv-read-12"), "norikv-read");
    assert_eq!(role("norikv-net"), "norikv-net");
    assert_eq!(role("main"), "main");
}

#[test]
fn bytes_written_to_a_file_are_counted() {
    use std::io::Write;
    let before = Sample::take();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&[7; 1 << 20]).expect("written");
    assert!(Sample::take().since(&before).written_bytes >= 1 << 20);
}
