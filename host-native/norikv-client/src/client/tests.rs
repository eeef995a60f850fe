use std::time::Duration;

use norikv_api::ErrorBody;
use norikv_types::{Applied, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a node does with a request.
#[derive(Clone, Copy)]
enum Reaction {
    /// Takes it and goes away.
    HangUp,
    /// Says no: nothing was applied.
    Refuse(ErrorKind),
}

/// A node that reacts to its requests in this order, and for ever as to the last.
async fn node(reactions: &'static [Reaction]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for nth in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            react(stream, reactions[nth.min(reactions.len() - 1)]).await;
        }
    });
    address
}

async fn react(mut stream: TcpStream, reaction: Reaction) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nvalue") {
        let read = stream.read_buf(&mut request).await.unwrap();
        assert!(read > 0, "the request ends early");
    }
    if let Reaction::Refuse(code) = reaction {
        let body = serde_json::to_string(&ErrorBody::refused(code, "no")).unwrap();
        let answer = format!(
            "HTTP/1.1 {} no\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            norikv_api::http_status(code),
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn put(reactions: &'static [Reaction]) -> Error {
    let mut config = Config::new([node(reactions).await]);
    config.timeout = Duration::from_millis(300);
    Client::new(config)
        .put(b"key", "value", Expect::Absent)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_refusal_says_that_nothing_was_applied() {
    for kind in [ErrorKind::NoLeader, ErrorKind::PreconditionFailed] {
        let reactions: &'static [Reaction] = Box::leak(Box::new([Reaction::Refuse(kind)]));
        let error = put(reactions).await;
        assert_eq!(error.applied(), Applied::No, "{error}");
    }
}

#[tokio::test]
async fn a_refusal_after_an_attempt_without_an_answer_leaves_the_write_open() {
    for kind in [ErrorKind::NoLeader, ErrorKind::PreconditionFailed] {
        let reactions: &'static [Reaction] =
            Box::leak(Box::new([Reaction::HangUp, Reaction::Refuse(kind)]));
        let error = put(reactions).await;
        assert!(matches!(&error, Error::Refused(body) if body.code == kind));
        assert_eq!(error.applied(), Applied::Unknown, "{error}");
    }
}
