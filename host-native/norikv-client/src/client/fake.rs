//! A node that answers as it is told, one connection after another, and remembers what it was
//! asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a connection gets to hear.
#[derive(Debug, Clone)]
pub(super) struct Says {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Written one by one.
    pub(super) pieces: Vec<String>,
    /// Whether the connection stays, silent, or ends.
    pub(super) stays: bool,
}

/// Where it listens, and the first line of each request so far.
pub(super) struct Fake {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Says {
    /// A good answer that ends.
    pub(super) fn text(pieces: &[&str]) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            pieces: pieces.iter().map(|piece| (*piece).to_owned()).collect(),
            stays: false,
        }
    }

    pub(super) fn and_stays(mut self) -> Self {
        self.stays = true;
        self
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} told\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }
}

impl Fake {
    /// Says one thing a connection; afterwards nobody listens.
    pub(super) async fn start(says: Vec<Says>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut staying = Vec::new();
            for says in says {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n")
                    && stream
                        .read_buf(&mut request)
                        .await
                        .is_ok_and(|read| read > 0)
                {}
                let request = String::from_utf8(request).unwrap();
                let first = request.lines().next().unwrap_or_default().to_owned();
                own.lock().unwrap().push(first);
                // Whoever hung up meanwhile hears nothing.
                let head = says.head();
                for piece in [&head].into_iter().chain(&says.pieces) {
                    let _ = stream.write_all(piece.as_bytes()).await;
                    tokio::task::yield_now().await;
                }
                if says.stays {
                    staying.push(stream);
                }
            }
            drop(listener);
            if !staying.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        Self { address, asked }
    }

    /// What it was asked, without the method and the protocol.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let path = |line: &String| line.split(' ').nth(1).unwrap_or_default().to_owned();
        asked.iter().map(path).collect()
    }
}
