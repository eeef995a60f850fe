use super::*;

#[test]
fn the_defaults_are_accepted_and_each_setting_out_of_range_is_named() {
    let good = Config::new(NodeId(1), 7, 1);
    assert_eq!(good.check(), Ok(()));
    let with = |change: fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        config.check().unwrap_err()
    };
    let second = Duration::from_secs(1);
    assert_eq!(with(|c| c.id = NodeId(0)), Error::NodeZero);
    assert_eq!(
        with(|c| c.incarnation = Incarnation(u32::MAX)),
        Error::Incarnation(Incarnation(u32::MAX))
    );
    assert_eq!(
        with(|c| c.metadata = Bytes::from_static(&[0; 129])),
        Error::MetadataSize { got: 129 }
    );
    assert_eq!(
        with(|c| c.probe_timeout = c.probe_interval),
        Error::ProbeTimeout {
            timeout: second,
            interval: second
        }
    );
    assert_eq!(
        with(|c| c.sync_interval = Duration::ZERO),
        Error::Interval {
            got: Duration::ZERO
        }
    );
    assert_eq!(
        with(|c| c.gossip_fanout = 0),
        Error::Count { got: 0, max: 1_000 }
    );
    assert_eq!(
        with(|c| c.suspicion_confirmations = 9),
        Error::Count { got: 9, max: 8 }
    );
    assert_eq!(
        with(|c| c.packet_bytes_max = 399),
        Error::PacketSize { got: 399 }
    );
}
