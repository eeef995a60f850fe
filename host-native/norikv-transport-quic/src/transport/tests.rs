mod lost;
mod refused;

use core::time::Duration;
use std::sync::mpsc::{Receiver, channel};

use quinn::Connection;
use tokio::runtime::Runtime;

use super::*;
use crate::credentials::name_of;
use crate::lane;
use crate::{Authority, Credentials, DownReason, Hello};

const CLUSTER: u64 = 7;

struct TestNode {
    transport: Transport,
    told: Receiver<Inbound>,
}

impl TestNode {
    /// The first thing told that `pick` picks; everything before is dropped.
    fn until<T>(&self, mut pick: impl FnMut(Inbound) -> Option<T>) -> T {
        loop {
            let inbound = self.told.recv_timeout(PATIENCE).expect("told in time");
            if let Some(picked) = pick(inbound) {
                return picked;
            }
        }
    }

    fn until_up(&self, wanted: u64) -> u64 {
        self.until(|inbound| match inbound {
            Inbound::Up { peer, boot } if peer.0 == wanted => Some(boot),
            _ => None,
        })
    }

    fn until_down(&self) -> DownReason {
        self.until(|inbound| match inbound {
            Inbound::Down { reason, .. } => Some(reason),
            _ => None,
        })
    }

    fn until_frame(&self) -> (u64, Lane, Bytes) {
        self.until(|inbound| match inbound {
            Inbound::Frame {
                from, lane, bytes, ..
            } => Some((from.0, lane, bytes)),
            _ => None,
        })
    }

    fn until_refused(&self) -> (Option<u64>, Refusal) {
        self.until(|inbound| match inbound {
            Inbound::Refused { peer, reason, .. } => Some((peer.map(|peer| peer.0), reason)),
            _ => None,
        })
    }
}

struct Bench {
    runtime: Runtime,
    authority: Authority,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let authority = Authority::create(CLUSTER).expect("an authority");
        Self { runtime, authority }
    }

    fn config(&self, id: u64, peers: &[(u64, SocketAddr)]) -> Config {
        Config {
            id: NodeId(id),
            cluster: CLUSTER,
            boot: id * 100,
            listen: any_port(),
            peers: peers
                .iter()
                .map(|(peer, address)| (NodeId(*peer), *address))
                .collect(),
            tls: self.credentials(id),
            limits: Limits::default(),
        }
    }

    fn credentials(&self, id: u64) -> Credentials {
        self.authority.issue(NodeId(id), &[]).expect("issued")
    }

    fn start(&self, config: Config) -> TestNode {
        Self::start_on(&self.runtime, config)
    }

    fn start_on(runtime: &Runtime, config: Config) -> TestNode {
        let (tell, told) = channel();
        let sink = move |inbound| drop(tell.send(inbound));
        let transport = Transport::bind(config, runtime.handle(), sink).expect("a free port");
        TestNode { transport, told }
    }

    /// Two nodes that are connected.
    fn pair(&self) -> (TestNode, TestNode) {
        let two = self.start(self.config(2, &[(1, nowhere())]));
        let one = self.start(self.config(1, &[(2, two.transport.address())]));
        one.until_up(2);
        two.until_up(1);
        (one, two)
    }

    /// Connects to `node` with the certificate of node `id` and says `first` on a first stream.
    fn say(&self, id: u64, node: &TestNode, first: &[u8]) -> Stranger {
        let runtime = Runtime::new().expect("a runtime");
        let crypto = self.credentials(id).client().expect("fits");
        let crypto = QuicClientConfig::try_from(crypto).expect("fits");
        let connected = runtime.block_on(async {
            let endpoint = Endpoint::client(any_port()).expect("a free port");
            let to = name_of(node.transport.shared.id);
            let connection = endpoint
                .connect_with(
                    ClientConfig::new(Arc::new(crypto)),
                    node.transport.address(),
                    &to,
                )
                .expect("an address")
                .await
                .expect("a handshake");
            let mut stream = connection.open_uni().await.expect("open");
            stream.write_all(first).await.expect("written");
            (endpoint, connection, stream)
        });
        let (endpoint, connection, stream) = connected;
        Stranger {
            runtime,
            connection,
            _held: (endpoint, stream),
        }
    }
}

/// A peer that the tests speak for themselves.
struct Stranger {
    runtime: Runtime,
    connection: Connection,
    _held: (Endpoint, quinn::SendStream),
}

impl Stranger {
    fn until_closed(&self) -> String {
        self.runtime.block_on(self.connection.closed()).to_string()
    }
}

fn hello(id: u64) -> Vec<u8> {
    let hello = Hello {
        cluster: CLUSTER,
        node: NodeId(id),
        boot: 5,
        lane: Lane::Control,
    };
    framed(&hello.encode())
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("short");
    [&length.to_le_bytes(), bytes].concat()
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// An address where nobody speaks QUIC.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

/// An address that stays taken while the socket lives.
fn reserved() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(any_port()).expect("a free port");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

fn numbered(number: u32, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Bytes::from(bytes)
}

#[test]
fn frames_of_every_lane_arrive_whole_and_in_order_both_ways() {
    let bench = Bench::new();
    let (one, two) = bench.pair();
    for (from, to) in [(&one, &two), (&two, &one)] {
        let (from_id, to_id) = (from.transport.shared.id, to.transport.shared.id);
        for number in 0..200 {
            for lane in lane::ALL {
                let size = if number % 50 == 7 {
                    300_000
                } else {
                    4 + number as usize
                };
                from.transport
                    .send(to_id, lane, numbered(number, size))
                    .expect("queued");
            }
        }
        let mut next = [0_u32; 4];
        while next != [200; 4] {
            let (sender, lane, bytes) = to.until_frame();
            assert_eq!(sender, from_id.0);
            let expected = &mut next[lane::index(lane)];
            let size = if *expected % 50 == 7 {
                300_000
            } else {
                4 + *expected as usize
            };
            assert_eq!(bytes, numbered(*expected, size), "{lane:?}");
            *expected += 1;
        }
    }
}

#[test]
fn empty_frames_are_frames() {
    let bench = Bench::new();
    let (one, two) = bench.pair();
    one.transport
        .send(NodeId(2), Lane::Append, Bytes::new())
        .expect("queued");
    assert_eq!(two.until_frame(), (1, Lane::Append, Bytes::new()));
}

#[test]
fn packets_pass_both_ways_and_long_ones_are_refused() {
    let bench = Bench::new();
    let (one, two) = bench.pair();
    for (from, to, id) in [(&one, &two, 2), (&two, &one, 1)] {
        let packet = Bytes::from(vec![3; 1_100]);
        from.transport
            .send_datagram(NodeId(id), packet.clone())
            .expect("sent");
        let arrived = to.until(|inbound| match inbound {
            Inbound::Datagram { bytes, .. } => Some(bytes),
            _ => None,
        });
        assert_eq!(arrived, packet);
        assert!(matches!(
            from.transport
                .send_datagram(NodeId(id), Bytes::from(vec![0; 1_101])),
            Err(SendError::TooLarge { size: 1_101, .. })
        ));
    }
}

#[test]
fn of_the_packets_for_an_unreachable_peer_the_latest_is_kept() {
    let bench = Bench::new();
    let (socket, address) = reserved();
    let one = bench.start(bench.config(1, &[(2, address)]));
    for byte in 1..=3 {
        one.transport
            .send_datagram(NodeId(2), Bytes::from(vec![byte]))
            .expect("kept");
    }
    drop(socket);
    let config = Config {
        listen: address,
        ..bench.config(2, &[(1, one.transport.address())])
    };
    let two = bench.start(config);
    let first = two.until(|inbound| match inbound {
        Inbound::Datagram { bytes, .. } => Some(bytes),
        _ => None,
    });
    assert_eq!(&first[..], [3]);
}

#[test]
fn nodes_that_dial_each_other_at_once_end_with_one_connection() {
    let bench = Bench::new();
    for round in 0..10 {
        let ((hold_one, at_one), (hold_two, at_two)) = (reserved(), reserved());
        drop((hold_one, hold_two));
        let one = bench.start(Config {
            listen: at_one,
            ..bench.config(1, &[(2, at_two)])
        });
        let two = bench.start(Config {
            listen: at_two,
            ..bench.config(2, &[(1, at_one)])
        });
        // The higher id gives the lower a start; take it away to make them collide.
        let peer = Arc::clone(&two.transport.shared.peers[&NodeId(1)]);
        let shared = Arc::clone(&two.transport.shared);
        bench
            .runtime
            .spawn(async move { drop(connection::dial(&shared, &peer).await) });
        one.until_up(2);
        two.until_up(1);
        for number in 0..100 {
            one.transport
                .send(NodeId(2), Lane::Control, numbered(number, 8))
                .expect("queued");
            two.transport
                .send(NodeId(1), Lane::Control, numbered(number, 8))
                .expect("queued");
        }
        for node in [&one, &two] {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < 100 {
                seen.insert(node.until_frame().2);
            }
        }
        let deadline = std::time::Instant::now() + PATIENCE;
        for node in [&one, &two] {
            let endpoint = &node.transport.shared.endpoint;
            while endpoint.open_connections() != 1 {
                assert!(
                    std::time::Instant::now() < deadline,
                    "two connections in round {round}"
                );
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_the_node() {
    let bench = Bench::new();
    let (_held, address) = reserved();
    let config = Config {
        listen: address,
        ..bench.config(3, &[])
    };
    let error = Transport::bind(config, bench.runtime.handle(), |_| {}).expect_err("taken");
    let text = error.to_string();
    assert!(
        text.contains("node 3") && text.contains(&address.to_string()),
        "{text}"
    );
}

#[test]
fn credentials_of_another_node_are_refused_before_listening() {
    let bench = Bench::new();
    let config = Config {
        tls: bench.credentials(2),
        ..bench.config(1, &[])
    };
    let error = Transport::bind(config, bench.runtime.handle(), |_| {}).expect_err("node 2's");
    assert!(
        matches!(
            error,
            Error::ForeignCertificate {
                node: NodeId(1),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn limits_that_cannot_be_are_refused() {
    let bench = Bench::new();
    let limits = Limits {
        idle_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..bench.config(1, &[])
    };
    let error = Transport::bind(config, bench.runtime.handle(), |_| {}).expect_err("too long");
    assert!(
        error
            .to_string()
            .contains("idle_timeout in milliseconds is 60000"),
        "{error}"
    );
}

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
