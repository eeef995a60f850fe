use super::{is_value_of, write_value};

fn value(index: u64, bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes];
    write_value(index, &mut value);
    value
}

#[test]
fn a_block_of_values_compresses_to_about_half() {
    for bytes in [100, 256] {
        let block: Vec<u8> = (0..1_000_u64)
            .flat_map(|index| value(index, bytes))
            .collect();
        for chunk in block.chunks_exact(4_096) {
            let ratio = lz4_flex::block::compress(chunk).len() as f64 / chunk.len() as f64;
            assert!((0.5..0.62).contains(&ratio), "{bytes} bytes: {ratio}");
        }
    }
}

#[test]
fn a_value_is_known_by_its_index_and_its_length() {
    for bytes in [0, 1, 3, 7, 100, 256] {
        assert_eq!(value(5, bytes), value(5, bytes));
        assert!(is_value_of(5, &value(5, bytes), bytes));
        assert!(!is_value_of(5, &value(5, bytes), bytes + 1));
    }
    assert_ne!(value(5, 100), value(6, 100));
    assert!(!is_value_of(6, &value(5, 100), 100));
}
