//! Peers that stop, return, fall silent, or do not read.

use super::*;

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
