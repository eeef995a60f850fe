use norikv_types::Prng;

use super::*;

fn layout() -> Layout {
    Layout::new(512, 64)
}

/// What the page describes: a log set aside whole, and a table of two extents with two names.
fn example() -> Table {
    let mut log = Map::new(4096, true);
    log.push(Extent {
        start: 16,
        blocks: 8,
    });
    let mut table = Map::new(1500, false);
    for (start, blocks) in [(24, 1), (30, 2)] {
        table.push(Extent { start, blocks });
    }
    Table {
        generation: 7,
        objects: vec![log, table],
        names: [
            (ObjectId::log(3), 0),
            (ObjectId::table(1), 1),
            (ObjectId::table(9), 1),
        ]
        .into(),
    }
}

/// Code cannot be read out of a picture: the page's example is the encoder's.
#[test]
fn the_page_shows_the_bytes_of_the_example() {
    let page = include_str!("../../../../../docs/formats/extent-store.md");
    let example = page
        .split("```hex")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let shown: Vec<u8> = example
        .expect("the page has an example")
        .lines()
        .flat_map(|line| {
            let bytes = line
                .split('|')
                .next()
                .unwrap_or("")
                .split_whitespace()
                .skip(1);
            bytes.map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
        })
        .collect();
    let encoded = example_bytes();
    let used = usize::try_from(Table::bytes(2, 3, 3)).unwrap();
    let dump: Vec<_> = encoded[..used].chunks(16).collect();
    assert_eq!(shown, encoded[..used], "the encoder gives {dump:02x?}");
    assert!(encoded[used..].iter().all(|byte| *byte == 0));
}

fn example_bytes() -> Vec<u8> {
    example().encode(&layout())
}

#[test]
fn a_table_is_read_back_with_what_is_free() {
    let (table, free) = Table::decode(&example_bytes(), &layout()).unwrap();
    assert_eq!(table, example());
    assert_eq!(free.blocks(), 64 - 16 - 11);
    assert_eq!(Table::layout(&example_bytes(), 512, 64), Some(layout()));
    assert_eq!(Table::layout(&example_bytes(), 512, 65), None);
    assert_eq!(Table::layout(&example_bytes(), 4096, 64), None);
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = example_bytes();
    let used = usize::try_from(Table::bytes(2, 3, 3)).unwrap();
    for bit in 0..used * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Table::decode(&flipped, &layout()).is_none(), "bit {bit}");
    }
    for len in 0..used {
        assert!(Table::decode(&bytes[..len], &layout()).is_none(), "{len}");
    }
}

/// Whoever forges a checksum still cannot make two objects share a block.
#[test]
fn a_table_that_verifies_and_makes_no_sense_is_refused() {
    let forge = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = example_bytes();
        change(&mut bytes);
        let used = usize::try_from(Table::bytes(2, 3, 3)).unwrap();
        let crc = checksum(&bytes[..used]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        Table::decode(&bytes, &layout()).is_some()
    };
    assert!(forge(&|_| {}));
    let object = HEAD_LEN;
    for (what, at, byte) in [
        ("an extent in a slot", object + 13, 15),
        ("an extent over another", object + 13, 23),
        ("an empty extent", object + 21, 0),
        ("an extent beyond the device", object + 21, 60),
        ("a length beyond the extents", object + 2, 17),
        ("an unknown flag", object, 2),
        ("a name of no kind", 64 + 13 * 2 + 16 * 3, 77),
        ("a name of no object", 64 + 13 * 2 + 16 * 3 + 9, 2),
        ("an object without a name", 64 + 13 * 2 + 16 * 3 + 9, 1),
        ("more objects than there are", 48, 3),
        ("fewer names than there are", 52, 2),
        ("a later version", 8, 2),
    ] {
        assert!(!forge(&|bytes| bytes[at] = byte), "{what}");
    }
    for seed in 0..20_000 {
        let mut prng = Prng::new(seed);
        let used = Table::bytes(2, 3, 3);
        forge(&|bytes| {
            for _ in 0..=prng.clone().below(3) {
                let mut prng = prng.clone();
                let at = usize::try_from(prng.below(used)).unwrap();
                bytes[at] = u8::try_from(prng.below(256)).unwrap();
            }
        });
        prng.next_u64();
    }
}
