//! Runs fuzz bodies where there is no fuzzer: on stable, for a while, over seeded bytes and a corpus.
//!
//! **Invariant: what a run did is told by its name and the input's number**: the inputs are drawn from
//! them, and only how many there are depends on the clock.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;
use std::path::Path;

use nori_env::{Clock, SystemClock};
use norikv_types::Prng;

/// What a fuzzer calls, with its name.
type Body = (&'static str, fn(&[u8]));

/// Calls the body `name` of `bodies` with every file of the folder `corpus/name` of the crate in
/// `folder`, then for ten seconds (or `NORI_FUZZ_SECONDS`) with inputs made of them and out of nothing. A body
/// that panics says by its own message what is wrong; the input follows, in hex.
///
/// # Panics
/// When there is no such body or no corpus; when one input takes longer than ten seconds.
pub fn fuzz(folder: &str, bodies: &[Body], name: &str) {
    let (_, body) = (bodies.iter().find(|(body, _)| *body == name)).expect("a body of that name");
    let corpus = corpus(&Path::new(folder).join("corpus").join(name));
    let seconds = std::env::var("NORI_FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(10, |text| text.parse().expect("a number of seconds"));
    let now = || SystemClock.now().as_nanos();
    let start = now();
    let (mut before, mut tried) = (start, 0);
    while before - start < seconds * 1_000_000_000 || tried < corpus.len() as u64 {
        let nth = usize::try_from(tried).unwrap_or(usize::MAX);
        let input = corpus.get(nth).cloned();
        let input = Shown(input.unwrap_or_else(|| made(&mut Prng::new(tried), &corpus)));
        body(&input.0);
        tried += 1;
        let after = now();
        assert!(
            after - before < 10_000_000_000,
            "it took longer than ten seconds"
        );
        before = after;
    }
}

/// An input; shown when something panics over it.
struct Shown(Vec<u8>);

impl Drop for Shown {
    #[expect(clippy::print_stderr, reason = "what a test has to say when it fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut hex = String::new();
            for byte in &self.0 {
                let _ = write!(hex, "{byte:02x}");
            }
            std::eprintln!("the input: {hex}");
        }
    }
}

/// The files of a folder, by name.
fn corpus(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder of inputs");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
        .iter()
        .map(|file| std::fs::read(file).expect("a file"))
        .collect()
}

/// An input: bytes of all kinds, or one of the corpus with a few changes.
fn made(prng: &mut Prng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let nth =
        |prng: &mut Prng, len: usize| usize::try_from(prng.below(len.max(1) as u64)).unwrap_or(0);
    if corpus.is_empty() || prng.below(3) == 0 {
        let len = [4, 16, 64, 256, 1_024][nth(prng, 5)];
        let mut bytes = vec![0; 1 + nth(prng, len)];
        // Small bytes decide more often than large ones.
        let top = [4, 16, 256][nth(prng, 3)];
        bytes.fill_with(|| u8::try_from(prng.below(top)).unwrap_or(0));
        return bytes;
    }
    let mut bytes = corpus[nth(prng, corpus.len())].clone();
    for _ in 0..=prng.below(4) {
        let at = nth(prng, bytes.len() + 1);
        let byte = u8::try_from(prng.below(256)).unwrap_or(0);
        match prng.below(5) {
            0 => bytes.insert(at, byte),
            1 => bytes.truncate(at.max(1)),
            2 => {
                let other = &corpus[nth(prng, corpus.len())];
                let from = nth(prng, other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => match bytes.get_mut(at) {
                Some(there) => *there = byte,
                None => bytes.push(byte),
            },
        }
    }
    bytes
}
