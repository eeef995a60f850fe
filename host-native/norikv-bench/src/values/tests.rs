use super::{is_value_of, write_value};

fn value(index: u64, version: u32, bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes];
    write_value(index, version, &mut value);
    value
}

#[test]
fn a_block_of_values_compresses_to_about_half() {
    for bytes in [100, 256] {
        let block: Vec<u8> = (0..1_000_u64)
            .flat_map(|index| value(index, 1, bytes))
            .collect();
        for chunk in block.chunks_exact(4_096) {
            let ratio = lz4_flex::block::compress(chunk).len() as f64 / chunk.len() as f64;
            assert!((0.5..0.62).contains(&ratio), "{bytes} bytes: {ratio}");
        }
    }
}

#[test]
fn a_value_is_known_by_its_index_its_version_and_its_length() {
    for bytes in [0, 1, 3, 7, 100, 256, 4_096] {
        assert_eq!(value(5, 2, bytes), value(5, 2, bytes));
        assert!(is_value_of(5, 2, &value(5, 2, bytes), bytes));
        assert!(!is_value_of(5, 2, &value(5, 2, bytes), bytes + 1));
    }
    for bytes in [8, 100, 4_096] {
        assert!(!is_value_of(6, 2, &value(5, 2, bytes), bytes));
        assert!(!is_value_of(5, 3, &value(5, 2, bytes), bytes));
    }
}

#[test]
fn every_wrong_byte_of_a_small_value_is_seen() {
    for at in 0..100 {
        let mut wrong = value(7, 1, 100);
        wrong[at] ^= 1;
        assert!(!is_value_of(7, 1, &wrong, 100), "byte {at}");
    }
}
