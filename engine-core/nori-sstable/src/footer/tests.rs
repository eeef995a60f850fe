use super::*;

const UID: u64 = 7;
const SIZE: u64 = 1000;

fn footer() -> Footer {
    let block = |offset| BlockHandle {
        offset,
        length: 20,
        checksum: 3,
    };
    Footer {
        uid: UID,
        size: SIZE,
        top_index: Some(block(100)),
        filter: Some(block(200)),
        range_tombstones: Some(block(250)),
        properties: block(300),
        entries: 5,
    }
}

fn encoded(footer: &Footer) -> ([u8; FOOTER_BYTES], u32) {
    let (bytes, checksum) = footer.encode();
    (bytes.try_into().unwrap(), checksum)
}

/// The footer with another version, and the checksum that fits it.
fn of_version(version: u32) -> ([u8; FOOTER_BYTES], u32) {
    let (mut bytes, _) = encoded(&footer());
    bytes[88..92].copy_from_slice(&version.to_le_bytes());
    let checksum = footer_checksum(UID, SIZE, &bytes[..92]);
    bytes[92..96].copy_from_slice(&checksum.to_le_bytes());
    (bytes, checksum)
}

#[test]
fn footers_round_trip_with_and_without_filter() {
    let without = Footer {
        top_index: None,
        filter: None,
        range_tombstones: None,
        ..footer()
    };
    for footer in [footer(), without] {
        let (bytes, checksum) = encoded(&footer);
        assert_eq!(Footer::decode(&bytes, UID, SIZE, checksum), Ok(footer));
    }
}

#[test]
fn another_version_is_unsupported_not_corrupt() {
    let (bytes, checksum) = of_version(2);
    let refused = Footer::decode(&bytes, UID, SIZE, checksum);
    assert_eq!(refused, Err(Refused::Version(2)));
}

#[test]
fn another_tables_footer_is_told_from_a_damaged_one() {
    let (bytes, checksum) = encoded(&footer());
    let other = Footer::decode(&bytes, UID + 1, SIZE, checksum);
    assert_eq!(other, Err(Refused::Damaged(Damage::NotTheTable)));
    let longer = Footer::decode(&bytes, UID, SIZE + 1, checksum);
    assert_eq!(longer, Err(Refused::Damaged(Damage::NotTheTable)));
    let stale = Footer::decode(&bytes, UID, SIZE, checksum ^ 1);
    assert!(matches!(
        stale,
        Err(Refused::Damaged(Damage::NotTheChild { .. }))
    ));
}

#[test]
fn handles_that_leave_the_table_are_refused() {
    for offset in [SIZE - FOOTER_BYTES as u64 - 19, SIZE, u64::MAX] {
        let mut footer = footer();
        footer.properties.offset = offset;
        let (bytes, checksum) = encoded(&footer);
        let refused = Footer::decode(&bytes, UID, SIZE, checksum);
        assert_eq!(refused, Err(Refused::Damaged(Damage::Handle)));
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let (mut bytes, checksum) = encoded(&footer());
    for at in 0..FOOTER_BYTES {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(Footer::decode(&bytes, UID, SIZE, checksum).is_err());
            bytes[at] ^= 1 << bit;
        }
    }
}
