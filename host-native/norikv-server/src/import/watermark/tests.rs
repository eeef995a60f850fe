use super::*;

#[test]
fn the_offset_waits_for_the_oldest_open_line() {
    let mut watermark = Watermark::new(
        100,
        Counts {
            written: 4,
            refused: 1,
        },
    );
    let [first, second, third] = [110, 120, 130].map(|end| watermark.begin(end));
    watermark.end(third, true);
    watermark.end(second, false);
    assert_eq!((watermark.offset(), watermark.open()), (100, 3));
    assert_eq!(watermark.number_of(first), 6);
    watermark.end(first, true);
    assert_eq!((watermark.offset(), watermark.open()), (130, 0));
    assert_eq!(
        watermark.counts(),
        Counts {
            written: 6,
            refused: 2
        }
    );
    let fourth = watermark.begin(140);
    assert_eq!(watermark.number_of(fourth), 9);
}

#[test]
#[should_panic(expected = "ended twice")]
fn a_line_cannot_end_twice() {
    let mut watermark = Watermark::new(0, Counts::default());
    let _open = watermark.begin(1);
    let late = watermark.begin(2);
    watermark.end(late, true);
    watermark.end(late, true);
}
