use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Two nodes, played by sockets, with the relays between them.
struct Pair {
    mesh: Arc<Mesh>,
    _relays: Relays,
    one: UdpSocket,
    two: UdpSocket,
    /// Where node 1 sends what is for node 2.
    door: SocketAddr,
}

async fn pair() -> Pair {
    let mesh = Arc::new(Mesh::new(2, 1));
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let two = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nodes = BTreeMap::from([
        (1, one.local_addr().unwrap()),
        (2, two.local_addr().unwrap()),
    ]);
    let relays = Relays::start(&mesh, &nodes).await.unwrap();
    let door = relays.address(Link { from: 1, to: 2 });
    Pair {
        mesh,
        _relays: relays,
        one,
        two,
        door,
    }
}

async fn hear(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 64];
    let heard = tokio::time::timeout(PATIENCE, socket.recv_from(&mut buffer)).await;
    let (len, from) = heard.expect("nothing arrives").unwrap();
    (buffer[..len].to_vec(), from)
}

/// Waits until so many packets met some fate.
async fn until(mesh: &Mesh, happened: impl Fn(PacketCounters) -> bool) {
    let wait = async {
        while !happened(mesh.counters()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    assert!(waited.is_ok(), "{:?}", mesh.counters());
}

#[tokio::test]
async fn packets_go_there_and_back() {
    let pair = pair().await;
    pair.one.send_to(b"ping", pair.door).await.unwrap();
    let (bytes, back) = hear(&pair.two).await;
    assert_eq!(bytes, b"ping");
    pair.two.send_to(b"pong", back).await.unwrap();
    let (bytes, from) = hear(&pair.one).await;
    assert_eq!((&bytes[..], from), (&b"pong"[..], pair.door));
}

#[tokio::test]
async fn a_link_cut_one_way_still_carries_the_other() {
    let pair = pair().await;
    pair.one.send_to(b"hello", pair.door).await.unwrap();
    let (_, back) = hear(&pair.two).await;
    let cut = pair.mesh.begin(&[Link { from: 1, to: 2 }], Trouble::Cut);
    pair.one.send_to(b"lost", pair.door).await.unwrap();
    until(&pair.mesh, |counters| counters.dropped == 1).await;
    pair.two.send_to(b"arrives", back).await.unwrap();
    assert_eq!(hear(&pair.one).await.0, b"arrives");
    pair.mesh.end(cut);
    assert!(pair.mesh.is_well());
    pair.one.send_to(b"again", pair.door).await.unwrap();
    assert_eq!(hear(&pair.two).await.0, b"again");
}

#[tokio::test]
async fn a_clogged_link_holds_packets_until_it_is_cleared() {
    let pair = pair().await;
    pair.mesh.begin(&[Link { from: 1, to: 2 }], Trouble::Clog);
    for nth in 0..5_u8 {
        pair.one.send_to(&[nth], pair.door).await.unwrap();
    }
    until(&pair.mesh, |counters| counters.held == 5).await;
    assert_eq!(pair.mesh.counters().passed, 0);
    pair.mesh.heal();
    for nth in 0..5_u8 {
        assert_eq!(hear(&pair.two).await.0, [nth]);
    }
}

#[tokio::test]
async fn a_duplicated_packet_arrives_twice_and_a_slow_one_later() {
    let pair = pair().await;
    let links = [Link { from: 1, to: 2 }];
    pair.mesh
        .begin(&links, Trouble::Duplicate { ppm: 1_000_000 });
    let max = Duration::from_millis(20);
    pair.mesh.begin(&links, Trouble::Delay { max });
    pair.one.send_to(b"twice", pair.door).await.unwrap();
    assert_eq!(hear(&pair.two).await.0, b"twice");
    assert_eq!(hear(&pair.two).await.0, b"twice");
    assert_eq!(
        pair.mesh.counters(),
        PacketCounters {
            passed: 1,
            duplicated: 1,
            delayed: 1,
            ..PacketCounters::default()
        }
    );
}

#[test]
fn a_link_that_loses_half_of_the_packets_loses_about_half() {
    let mesh = Mesh::new(2, 9);
    let link = Link { from: 2, to: 1 };
    mesh.begin(&[link], Trouble::Lose { ppm: 500_000 });
    let lost = (0..1_000)
        .filter(|_| mesh.0.lock().fate(link) == Fate::Drop)
        .count();
    assert!((400..600).contains(&lost), "{lost}");
}

#[test]
fn a_flapping_link_begins_with_a_cut_and_comes_back() {
    let mesh = Mesh::new(2, 9);
    let link = Link { from: 2, to: 1 };
    let every = Duration::from_secs(10);
    mesh.begin(&[link], Trouble::Flap { every });
    assert_eq!(mesh.0.lock().fate(link), Fate::Drop);
    let a_turn_ago = Instant::now().checked_sub(every).unwrap();
    mesh.0.lock().links.get_mut(&link).unwrap().troubles[0].since = a_turn_ago;
    assert_ne!(mesh.0.lock().fate(link), Fate::Drop);
}
