use super::*;

#[test]
fn indexes_map_to_places_one_to_one_and_without_gaps() {
    let mut expected = (0, 0);
    for index in 0..10_000 {
        assert_eq!(locate(index), expected, "index {index}");
        expected.1 += 1;
        if expected.1 == 64 << expected.0 {
            expected = (expected.0 + 1, 0);
        }
    }
}

#[test]
fn the_last_index_has_a_chunk() {
    let (chunk, _) = locate(u32::MAX);
    assert!(chunk < CHUNK_COUNT);
}
