//! Who is refused, and what ends a connection.

use super::*;

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
