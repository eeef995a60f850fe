use super::*;

const TIMEOUT: Duration = Duration::from_millis(500);

fn open(proxies: &mut Proxies, own: u32, now: Mono) -> bool {
    proxies.open(own, NodeId(2), 7, NodeId(3), now, TIMEOUT)
}

#[test]
fn no_more_than_the_bound_are_open_and_each_ends_by_itself() {
    let (mut proxies, bound) = (Proxies::default(), u32::try_from(PROXIED_MAX).unwrap());
    assert!((0..bound).all(|own| open(&mut proxies, own, Mono::ZERO)));
    assert!(!open(&mut proxies, bound, Mono::ZERO));

    let silent = Mono::ZERO + TIMEOUT * 4 / 5;
    let mut nacks = 0;
    while proxies.unanswered(silent).is_some() {
        nacks += 1;
    }
    assert_eq!(nacks, bound, "each is answered once");
    assert_eq!(proxies.unanswered(Mono::ZERO + TIMEOUT * 4), None);
    assert_eq!(proxies.next_deadline(), None);
    assert!(open(&mut proxies, bound, silent));
}

#[test]
fn only_the_target_closes_a_probe_and_only_once() {
    let mut proxies = Proxies::default();
    assert!(open(&mut proxies, 1, Mono::ZERO));
    assert_eq!(proxies.acknowledged(1, NodeId(9)), None);
    assert_eq!(proxies.acknowledged(2, NodeId(3)), None);
    let closed = proxies
        .acknowledged(1, NodeId(3))
        .map(|open| (open.asker, open.sequence));
    assert_eq!(closed, Some((NodeId(2), 7)));
    assert_eq!(proxies.acknowledged(1, NodeId(3)), None);
}
