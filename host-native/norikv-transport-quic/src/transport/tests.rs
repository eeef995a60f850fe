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
fn a_node_of_another_cluster_is_refused_by_name() {
    let bench = Bench::new();
    let two = bench.start(bench.config(2, &[(1, nowhere())]));
    let foreign = Config {
        cluster: 8,
        ..bench.config(1, &[(2, two.transport.address())])
    };
    let one = bench.start(foreign);
    let (peer, reason) = two.until_refused();
    assert_eq!(
        (peer, reason),
        (None, Refusal::Cluster { ours: 7, theirs: 8 })
    );
    let (peer, reason) = one.until_refused();
    assert_eq!(peer, Some(2));
    let text = reason.to_string();
    assert!(
        text.contains("0x0000000000000007") && text.contains("0x0000000000000008"),
        "{text}"
    );
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let bench = Bench::new();
    let two = bench.start(bench.config(2, &[(1, nowhere())]));
    let other = Authority::create(CLUSTER).expect("an authority");
    let tls = other.issue(NodeId(1), &[]).expect("issued");
    let one = bench.start(Config {
        tls,
        ..bench.config(1, &[(2, two.transport.address())])
    });
    let (peer, reason) = one.until_refused();
    assert_eq!(peer, Some(2));
    assert!(matches!(reason, Refusal::Certificate(_)), "{reason}");
    let (_, reason) = two.until_refused();
    assert!(matches!(reason, Refusal::OurCertificate(_)), "{reason}");
}

#[test]
fn a_caller_with_a_certificate_of_another_authority_is_refused() {
    let bench = Bench::new();
    let two = bench.start(bench.config(2, &[(1, nowhere())]));
    // The caller trusts node 2's authority, but its own certificate is another authority's.
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    bench.credentials(1).save(&ours).expect("saved");
    let other = Authority::create(CLUSTER).expect("an authority");
    other
        .issue(NodeId(1), &[])
        .expect("issued")
        .save(&theirs)
        .expect("saved");
    let tls = Credentials::load(
        &ours.join(Credentials::AUTHORITY_FILE),
        &theirs.join(Credentials::CERTIFICATE_FILE),
        &theirs.join(Credentials::KEY_FILE),
    )
    .expect("loaded");
    let one = bench.start(Config {
        tls,
        ..bench.config(1, &[(2, two.transport.address())])
    });
    let (_, reason) = two.until_refused();
    assert!(matches!(reason, Refusal::Certificate(_)), "{reason}");
    let (peer, reason) = one.until_refused();
    assert_eq!(peer, Some(2));
    assert!(matches!(reason, Refusal::OurCertificate(_)), "{reason}");
}

#[test]
fn a_node_at_another_nodes_address_is_refused() {
    let bench = Bench::new();
    let three = bench.start(bench.config(3, &[]));
    let one = bench.start(bench.config(1, &[(2, three.transport.address())]));
    let (peer, reason) = one.until_refused();
    assert_eq!(peer, Some(2));
    let text = reason.to_string();
    assert!(
        text.contains("node-2.norikv") && text.contains("node-3.norikv"),
        "{text}"
    );
}

#[test]
fn a_hello_in_another_nodes_name_is_refused() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere()), (3, nowhere())]));
    let stranger = bench.say(3, &one, &hello(2));
    let (_, reason) = one.until_refused();
    assert_eq!(reason, Refusal::Identity { claimed: NodeId(2) });
    let text = stranger.until_closed();
    assert!(text.contains("node 2"), "{text}");
}

#[test]
fn a_node_that_nobody_configured_is_refused() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let stranger = bench.say(4, &one, &hello(4));
    assert_eq!(one.until_refused().1, Refusal::UnknownNode(NodeId(4)));
    let text = stranger.until_closed();
    assert!(
        text.contains("node 4 is not among the peers of node 1"),
        "{text}"
    );
}

#[test]
fn another_protocol_version_is_refused_with_both_numbers() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let mut first = hello(2);
    first[8] = 9;
    let stranger = bench.say(2, &one, &first);
    assert_eq!(
        one.until_refused().1,
        Refusal::Version { ours: 1, theirs: 9 }
    );
    let text = stranger.until_closed();
    assert!(text.contains("version 1") && text.contains('9'), "{text}");
}

#[test]
fn what_is_no_hello_is_refused() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let garbage = [
        &framed(b"GET / HTTP/1.1")[..],
        &u32::MAX.to_le_bytes(),
        &framed(&[]),
    ];
    for first in garbage {
        let stranger = bench.say(2, &one, first);
        assert_eq!(one.until_refused().1, Refusal::NotAPeer);
        stranger.until_closed();
    }
}

#[test]
fn a_frame_over_the_limit_ends_the_connection_with_its_length() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let mut first = hello(2);
    first.extend_from_slice(&(17_u32 << 20).to_le_bytes());
    let stranger = bench.say(2, &one, &first);
    one.until_up(2);
    let text = stranger.until_closed();
    assert!(text.contains("17825792"), "{text}");
    assert_eq!(one.until_down(), DownReason::Ours);
}

#[test]
fn a_second_stream_for_an_open_lane_ends_the_connection() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let stranger = bench.say(2, &one, &hello(2));
    one.until_up(2);
    stranger.runtime.block_on(async {
        let mut stream = stranger.connection.open_uni().await.expect("open");
        stream.write_all(&hello(2)).await.expect("written");
    });
    let text = stranger.until_closed();
    assert!(text.contains("lane that is open"), "{text}");
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

#[test]
fn a_peer_that_shuts_down_says_so_and_one_that_returns_has_another_boot() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let config = bench.config(2, &[(1, one.transport.address())]);
    let runtime = Runtime::new().expect("a runtime");
    let two = Bench::start_on(&runtime, config.clone());
    assert_eq!(one.until_up(2), 200);
    let listen = two.transport.address();
    runtime.block_on(two.transport.close());
    assert_eq!(one.until_down(), DownReason::Closed);
    // The port is free when the tasks are gone, and they are when their runtime is.
    drop(two);
    drop(runtime);
    let two = bench.start(Config {
        listen,
        boot: 201,
        ..config
    });
    assert_eq!(one.until_up(2), 201);
    two.until_up(1);
}

#[test]
fn a_peer_that_restarts_unnoticed_is_down_and_up_again() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let first = bench.say(2, &one, &hello(2));
    assert_eq!(one.until_up(2), 5);
    let again = Hello {
        cluster: CLUSTER,
        node: NodeId(2),
        boot: 6,
        lane: Lane::Control,
    };
    let _second = bench.say(2, &one, &framed(&again.encode()));
    assert_eq!(one.until_down(), DownReason::Restarted);
    assert_eq!(one.until_up(2), 6);
    first.until_closed();
}

#[test]
fn a_peer_that_falls_silent_is_down_after_the_idle_timeout() {
    let bench = Bench::new();
    let limits = Limits {
        idle_timeout: Duration::from_secs(3),
        ..Limits::default()
    };
    let one = bench.start(Config {
        limits,
        ..bench.config(1, &[(2, nowhere())])
    });
    let stranger = bench.say(2, &one, &hello(2));
    one.until_up(2);
    // Its threads are gone, so nobody says goodbye.
    stranger.runtime.shutdown_background();
    assert_eq!(one.until_down(), DownReason::Silent);
}

#[test]
fn without_a_connection_calls_fail_at_once_and_votes_wait() {
    let bench = Bench::new();
    let one = bench.start(bench.config(1, &[(2, nowhere())]));
    let send = |lane| {
        one.transport
            .send(NodeId(2), lane, Bytes::from_static(b"x"))
    };
    assert_eq!(send(Lane::Forward), Err(SendError::NotConnected(NodeId(2))));
    assert_eq!(send(Lane::Append), Err(SendError::NotConnected(NodeId(2))));
    assert_eq!(send(Lane::Control), Ok(()));
    let stats = one.transport.stats();
    assert_eq!(
        stats[0].dropped[lane::index(Lane::Forward)],
        (Lane::Forward, 1)
    );
    assert_eq!(
        stats[0].queued_bytes[lane::index(Lane::Control)],
        (Lane::Control, 1)
    );
    assert_eq!(
        one.transport.send(NodeId(9), Lane::Control, Bytes::new()),
        Err(SendError::UnknownPeer(NodeId(9)))
    );
}

#[test]
fn a_peer_that_does_not_read_costs_nobody_else() {
    let bench = Bench::new();
    let three = bench.start(bench.config(3, &[(1, nowhere())]));
    let limits = Limits {
        frame_bytes_max: 1 << 20,
        queue_bytes_max: 1 << 20,
        inbound_bytes_max: 64 << 10,
        ..Limits::default()
    };
    let two = bench.config(2, &[(1, nowhere())]);
    let (hold, held) = channel();
    // Node 2 keeps the credit of every frame, so its reader stands still after the window.
    let sink = move |inbound| drop(hold.send(inbound));
    let two = Transport::bind(
        Config {
            limits: limits.clone(),
            ..two
        },
        bench.runtime.handle(),
        sink,
    )
    .expect("a free port");
    let peers = [(2, two.address()), (3, three.transport.address())];
    let one = bench.start(Config {
        limits,
        ..bench.config(1, &peers)
    });
    three.until_up(1);
    let mut kept = Vec::new();
    loop {
        let inbound = held.recv_timeout(PATIENCE).expect("up in time");
        let up = matches!(inbound, Inbound::Up { .. });
        kept.push(inbound);
        if up {
            break;
        }
    }
    let mut up = 0;
    one.until(|inbound| {
        up += u32::from(matches!(inbound, Inbound::Up { .. }));
        (up == 2).then_some(())
    });
    let frame = Bytes::from(vec![1; 32 << 10]);
    let mut refused = 0;
    for _ in 0..2_000 {
        one.transport
            .send(NodeId(2), Lane::Append, frame.clone())
            .expect("drops its oldest");
        refused += u32::from(
            one.transport
                .send(NodeId(2), Lane::Forward, frame.clone())
                .is_err(),
        );
        one.transport
            .send(NodeId(3), Lane::Append, Bytes::from_static(b"x"))
            .expect("queued");
        assert_eq!(three.until_frame().1, Lane::Append);
    }
    let stats = &one.transport.stats()[0];
    assert!(stats.dropped[lane::index(Lane::Append)].1 > 0, "{stats:?}");
    assert!(refused > 0, "{stats:?}");
    assert!(
        stats
            .queued_bytes
            .iter()
            .all(|(_, bytes)| *bytes <= 1 << 20),
        "{stats:?}"
    );
    // Control still passes.
    one.transport
        .send(NodeId(2), Lane::Control, Bytes::from_static(b"beat"))
        .expect("queued");
    loop {
        let inbound = held.recv_timeout(PATIENCE).expect("control passes");
        let beat = matches!(
            inbound,
            Inbound::Frame {
                lane: Lane::Control,
                ..
            }
        );
        kept.push(inbound);
        if beat {
            break;
        }
    }
}

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
