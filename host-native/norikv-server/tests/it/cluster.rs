//! A cluster that `norikv dev` runs, and nodes that are started by hand.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::{http, norikv, wait_for};

/// A running `norikv dev`; ended when it is dropped.
pub(crate) struct Cluster {
    pub(crate) folder: TempDir,
    dev: Child,
    /// Kept open: `dev` goes on printing.
    lines: BufReader<ChildStdout>,
    pub(crate) nodes: Vec<Node>,
}

/// A node as `dev` reported it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) number: u64,
    pub(crate) pid: u32,
    pub(crate) http: String,
    pub(crate) folder: PathBuf,
}

/// A node started by hand; killed when it is dropped.
pub(crate) struct Started(pub(crate) Child);

impl Cluster {
    /// A new cluster of three.
    pub(crate) fn start() -> Self {
        Self::start_with(tempfile::tempdir().unwrap(), &[])
    }

    /// The cluster in `folder`, made if there is none.
    pub(crate) fn start_with(folder: TempDir, flags: &[&str]) -> Self {
        let mut dev = norikv()
            .args(["dev", "--output", "json", "--data-dir"])
            .arg(folder.path())
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(dev.stdout.take().unwrap());
        let mut nodes = Vec::new();
        loop {
            let Some(line) = next_line(&mut lines) else {
                let mut why = String::new();
                dev.stderr.take().unwrap().read_to_string(&mut why).unwrap();
                panic!("dev ended: {why}\n{}", logs(folder.path()));
            };
            if line["ready"] == true {
                break;
            }
            nodes.push(Node {
                number: line["node"].as_u64().unwrap(),
                pid: u32::try_from(line["pid"].as_u64().unwrap()).unwrap(),
                http: line["http"].as_str().unwrap().to_owned(),
                folder: line["data_dir"].as_str().unwrap().into(),
            });
        }
        Self {
            folder,
            dev,
            lines,
            nodes,
        }
    }

    /// Sends `dev` SIGTERM, waits, and gives the folder back.
    pub(crate) fn stop(mut self) -> TempDir {
        signal(self.dev.id(), "TERM");
        assert!(
            self.dev.wait().unwrap().success(),
            "dev did not stop cleanly"
        );
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Kills `dev` and every node at once and gives the folder back.
    pub(crate) fn kill_all(mut self) -> TempDir {
        for node in &self.nodes {
            signal(node.pid, "KILL");
        }
        signal(self.dev.id(), "KILL");
        self.dev.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// The process id of `dev`.
    pub(crate) fn dev_pid(&self) -> u32 {
        self.dev.id()
    }

    /// The next line that `dev` prints.
    pub(crate) fn next_report(&mut self) -> Value {
        next_line(&mut self.lines).unwrap()
    }

    /// A client command against this cluster.
    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = norikv();
        command.arg("--data-dir").arg(self.folder.path()).args(args);
        command
    }

    /// Runs a client command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Who leads `group`, as `through` sees it.
    pub(crate) fn leader(&self, group: usize, through: &Node) -> Option<Node> {
        let seen = http::get(&through.http, "/meta/cluster")?.json();
        let leader = seen["groups"][group]["leader"].as_u64()?;
        self.nodes
            .iter()
            .find(|node| node.number == leader)
            .cloned()
    }

    /// A node other than `not`.
    pub(crate) fn other(&self, not: &Node) -> Node {
        self.nodes
            .iter()
            .find(|node| node.number != not.number)
            .unwrap()
            .clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // `dev` takes its nodes with it.
        let _ended_already = self.dev.kill();
        let _ended_already = self.dev.wait();
        for node in &self.nodes {
            wait_for("the end of a node whose dev is gone", || {
                (!alive(node.pid)).then_some(())
            });
        }
    }
}

impl Node {
    /// Kills the process and waits for its end.
    pub(crate) fn kill(&self) {
        signal(self.pid, "KILL");
        wait_for("the end of a killed node", || {
            (!alive(self.pid)).then_some(())
        });
    }

    /// Starts it again, by hand.
    pub(crate) fn start_again(&self) -> Started {
        start(&self.folder.join("norikv.toml"))
    }

    /// Whether `/readyz` says that it can serve.
    pub(crate) fn ready(&self) -> bool {
        http::get(&self.http, "/readyz").is_some_and(|reply| reply.status == 200)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

/// `norikv start` on a configuration file.
pub(crate) fn start(config: &Path) -> Started {
    let child = norikv()
        .args(["start", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Started(child)
}

/// Sends a signal by process id.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success() || name == "KILL", "kill -s {name} {pid}");
}

/// Whether a process runs. One that ended and that nobody waited for yet does not.
pub(crate) fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .starts_with(" Z")
    })
}

fn next_line(lines: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).ok()
}

/// The nodes' logs, for a failure's message.
fn logs(folder: &Path) -> String {
    let mut all = String::new();
    for number in 1..=3 {
        for name in ["norikv.log", "stderr.log"] {
            let path = folder.join(format!("node-{number}/log/{name}"));
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            all.push_str(&format!("--- {}\n{text}\n", path.display()));
        }
    }
    all
}
