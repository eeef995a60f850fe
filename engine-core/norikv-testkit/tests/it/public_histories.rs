//! Histories that others recorded, judged as those others judge them.
//!
//! They lie in `$NORIKV_TESTDATA/porcupine` as `jepsen/etcd_NNN.log` and `kv/NAME-ok.txt` and
//! `kv/NAME-bad.txt`. What is not there is not run, and said so.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use norikv_testkit::{
    CasRegister, History, Limit, Model, TextHistory, TextInput, TextKey, TextOutput, Together,
    Verdict, linearizable_within, read_edn_text, read_jepsen_log,
};

#[test]
fn the_registers_of_etcd_are_judged_right() {
    let files = files_of("jepsen", "log");
    let mut set = Set::new("etcd register");
    for path in files {
        let name = name_of(&path);
        let number: u32 = name.trim_start_matches("etcd_").parse().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        if text.is_empty() {
            continue;
        }
        set.judge(&name, LINEARIZABLE.contains(&number), || {
            verdict(&read_jepsen_log(&text).unwrap(), &CasRegister::new())
        });
    }
    set.finish();
}

#[test]
fn keys_with_text_are_judged_right_key_by_key() {
    let mut set = Set::new("text, key by key");
    for (name, good, text) in text_histories() {
        set.judge(&name, good, || {
            verdict(&read_edn_text(&text).unwrap(), &TextKey::new())
        });
    }
    set.finish();
}

#[test]
fn keys_with_text_are_judged_right_all_at_once() {
    let mut set = Set::new("text, all keys at once, up to 10 clients");
    for (name, good, text) in text_histories() {
        if name.starts_with("c50") {
            continue;
        }
        set.judge(&name, good, || {
            let history = together(&read_edn_text(&text).unwrap());
            verdict(&history, &Together::new(TextKey::new()))
        });
    }
    set.finish();
}

/// Counts and times what is judged, and tells it even where tests are silent.
struct Set {
    name: &'static str,
    right: u32,
    wrong: Vec<String>,
    total: Duration,
    slowest: Option<(Duration, String)>,
}

impl Set {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            right: 0,
            wrong: Vec::new(),
            total: Duration::ZERO,
            slowest: None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "how long it takes is printed")]
    fn judge(&mut self, name: &str, good: bool, judge: impl FnOnce() -> Option<bool>) {
        let start = Instant::now();
        let verdict = judge();
        let took = start.elapsed();
        self.total += took;
        if self.slowest.as_ref().is_none_or(|(most, _)| took > *most) {
            self.slowest = Some((took, name.to_owned()));
        }
        if verdict == Some(good) {
            self.right += 1;
        } else {
            self.wrong.push(format!("{name}: {verdict:?}"));
        }
    }

    fn finish(self) {
        let Some((most, slowest)) = &self.slowest else {
            say(&format!("{}: external data: not run", self.name));
            return;
        };
        say(&format!(
            "{}: {} of {} judged right in {:.3} s, the longest {slowest} in {:.3} s",
            self.name,
            self.right,
            self.right as usize + self.wrong.len(),
            self.total.as_secs_f64(),
            most.as_secs_f64(),
        ));
        assert!(self.wrong.is_empty(), "{:?}", self.wrong);
    }
}

/// `None` when the search gave up.
fn verdict<K: Ord + Clone, M: Model>(
    history: &History<K, M::Input, M::Output>,
    model: &M,
) -> Option<bool> {
    let limit = Limit {
        steps_max: 200_000_000,
    };
    match linearizable_within(history, model, limit) {
        Verdict::Yes => Some(true),
        Verdict::No(_) => Some(false),
        Verdict::Unknown { .. } => None,
    }
}

/// The same history with all keys as one object.
fn together(history: &TextHistory) -> History<(), (Arc<str>, TextInput), TextOutput> {
    history.map(|key, input| ((), (Arc::from(key.as_str()), input.clone())))
}

/// Name, whether it is linearizable, content.
fn text_histories() -> Vec<(String, bool, String)> {
    files_of("kv", "txt")
        .into_iter()
        .map(|path| {
            let name = name_of(&path);
            let good = name.ends_with("-ok");
            assert!(good || name.ends_with("-bad"), "{name}");
            (
                name,
                good,
                fs::read_to_string(&path).expect("a readable file"),
            )
        })
        .collect()
}

/// The files of a folder in the order of their names; none where the data is not there.
fn files_of(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("NORIKV_TESTDATA") else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(Path::new(&root).join("porcupine").join(folder)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|own| own == extension))
        .collect();
    files.sort_unstable();
    files
}

fn name_of(path: &Path) -> String {
    let stem = path.file_stem().expect("listed files have names");
    stem.to_string_lossy().into_owned()
}

/// Straight to the stream: the test runner keeps what is printed to itself.
fn say(line: &str) {
    let mut stream = io::stderr();
    writeln!(stream, "public histories: {line}").expect("an open stderr");
}

const LINEARIZABLE: [u32; 23] = [
    2, 5, 7, 18, 25, 31, 38, 45, 48, 49, 51, 53, 56, 67, 75, 76, 80, 87, 92, 98, 100, 101, 102,
];
