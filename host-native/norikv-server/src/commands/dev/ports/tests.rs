use std::collections::BTreeSet;
use std::fs;

use super::Ports;

#[test]
fn ports_are_drawn_once_and_below_those_of_outgoing_connections() {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    // Where the system does not say, it is one whose range begins higher.
    let lowest: u16 = range.map_or(49_152, |range| {
        let lowest = range.split_whitespace().next().expect("two numbers");
        lowest.parse().expect("a port")
    });
    let mut ports = Ports::default();
    let mut seen = BTreeSet::new();
    for _ in 0..64 {
        let (http, quic) = ports.draw().expect("free ports");
        assert!(seen.insert(("http", http)), "{http} twice");
        assert!(seen.insert(("quic", quic)), "{quic} twice");
        assert!(
            http.port() < lowest && quic.port() < lowest,
            "{http} {quic} {lowest}"
        );
    }
}
