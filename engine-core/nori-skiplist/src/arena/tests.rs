use std::vec::Vec;

use super::*;

#[test]
fn pieces_of_every_size_are_aligned_and_apart() {
    let mut arena = Arena::default();
    let mut pieces = Vec::new();
    for (number, byte) in (0..400_usize).zip((0..=u8::MAX).cycle()) {
        let size = match number % 50 {
            49 => CHUNK_BYTES_MAX / 8 + number,
            n => 1 + n * n,
        };
        let align = 1 << (number % 5);
        let piece = arena.piece(Layout::from_size_align(size, align).unwrap());
        assert_eq!(piece.as_ptr().align_offset(align), 0);
        // SAFETY: the piece has `size` bytes.
        unsafe { piece.write_bytes(byte, size) };
        pieces.push((piece, size, byte));
    }
    for (piece, size, byte) in pieces {
        // SAFETY: as above, and written.
        let found = unsafe { core::slice::from_raw_parts(piece.as_ptr(), size) };
        assert_eq!(
            (found[0], found[size / 2], found[size - 1]),
            (byte, byte, byte)
        );
    }
}

#[test]
fn a_large_piece_leaves_the_chunk_before_it_in_use() {
    let mut arena = Arena::default();
    let small = Layout::new::<u64>();
    let first = arena.piece(small);
    arena.piece(Layout::array::<u8>(CHUNK_BYTES_MAX).unwrap());
    let second = arena.piece(small);
    assert_eq!(second.addr().get() - first.addr().get(), 8);
}
