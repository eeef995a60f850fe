//! One HTTP/1.1 request, by hand: what goes over the wire is what the test says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Asks `address`; `None` when nobody answers.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    socket.write_all(head.as_bytes()).ok()?;
    // A server that refuses a long body answers before it has read all of it.
    let _refused_early = socket.write_all(body);
    let mut raw = Vec::new();
    let _reset_behind_answer = socket.read_to_end(&mut raw);
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let headers = String::from_utf8_lossy(raw.get(..end)?).into_owned();
    let status = headers.split(' ').nth(1)?.parse().ok()?;
    let body = raw.get(end + 4..)?.to_vec();
    Some(Reply {
        status,
        headers,
        body,
    })
}

/// `GET`.
pub(crate) fn get(address: &str, path: &str) -> Option<Reply> {
    ask(address, "GET", path, &[], b"")
}

/// `PUT` without conditions.
pub(crate) fn put(address: &str, path: &str, body: &[u8]) -> Option<Reply> {
    ask(address, "PUT", path, &[], body)
}
