//! Reads the files of cockroachdb/datadriven: directives, their input, and the output expected.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// One case of a file.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// File and line of the directive.
    pub(crate) at: String,
    pub(crate) command: String,
    /// In order; an argument without a value has none.
    pub(crate) arguments: Vec<(String, Vec<String>)>,
    /// The lines between the directive and `----`.
    pub(crate) input: String,
    /// With its final newline.
    pub(crate) expected: String,
}

impl Case {
    /// The values of an argument, where it is given.
    pub(crate) fn argument(&self, name: &str) -> Option<&[String]> {
        self.arguments
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, values)| &values[..])
    }
}

/// What became of the cases of some files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    /// By reason.
    pub(crate) skipped: BTreeMap<String, usize>,
    /// Where, and how.
    pub(crate) differs: Vec<String>,
}

/// What a runner makes of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    Output(String),
    Skip(&'static str),
}

impl Tally {
    pub(crate) fn count(&mut self, case: &Case, verdict: Verdict) {
        match verdict {
            Verdict::Output(output) if output == case.expected => self.passed += 1,
            Verdict::Output(output) => self.differs.push(format!(
                "{}: {}\nexpected:\n{}got:\n{output}",
                case.at, case.command, case.expected
            )),
            Verdict::Skip(reason) => *self.skipped.entry(reason.into()).or_default() += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped: usize = self.skipped.values().sum();
        write!(
            f,
            "pass {}, skip {skipped}, differs {}",
            self.passed,
            self.differs.len()
        )?;
        for (reason, count) in &self.skipped {
            write!(f, "\n  skip {count}: {reason}")?;
        }
        for case in &self.differs {
            write!(f, "\n  {case}")?;
        }
        Ok(())
    }
}

/// The files in a folder of the test data, by name, each with its cases; `None`: not laid out.
pub(crate) fn files(folder: &str) -> Option<Vec<(PathBuf, Vec<Case>)>> {
    let Some(root) = std::env::var_os("NORIKV_TESTDATA") else {
        println!("external data: not run ({folder})");
        return None;
    };
    let folder = Path::new(&root).join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let cases = cases(&path);
        (path, cases)
    };
    Some(paths.into_iter().map(read).collect())
}

fn cases(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy();
    let mut lines = text.lines().enumerate().peekable();
    let mut cases = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (command, arguments) = directive(line);
        let mut input = String::new();
        for (_, line) in lines.by_ref() {
            if line == "----" {
                break;
            }
            input.push_str(line);
            input.push('\n');
        }
        // Output with blank lines in it stands between doubled rulers.
        let fenced = lines.next_if(|(_, line)| *line == "----").is_some();
        let mut expected = String::new();
        while let Some((_, line)) = lines.next() {
            let ends = match fenced {
                true => line == "----" && lines.next_if(|(_, line)| *line == "----").is_some(),
                false => line.trim().is_empty(),
            };
            if ends {
                break;
            }
            expected.push_str(line);
            expected.push('\n');
        }
        cases.push(Case {
            at: format!("{name}:{}", number + 1),
            command,
            arguments,
            input,
            expected,
        });
    }
    cases
}

/// `word key=value key=(a, b) flag`.
fn directive(line: &str) -> (String, Vec<(String, Vec<String>)>) {
    let (command, mut rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return (command.into(), arguments);
        }
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        let (values, behind) = match behind.strip_prefix('=') {
            None => (Vec::new(), behind),
            Some(behind) => match behind.strip_prefix('(') {
                Some(list) => {
                    let (list, behind) = list.split_once(')').unwrap();
                    let values = list.split(',').map(|value| value.trim().to_string());
                    (values.filter(|value| !value.is_empty()).collect(), behind)
                }
                None => {
                    let (value, behind) = behind.split_once(' ').unwrap_or((behind, ""));
                    (vec![value.to_string()], behind)
                }
            },
        };
        arguments.push((key.to_string(), values));
        rest = behind;
    }
}
