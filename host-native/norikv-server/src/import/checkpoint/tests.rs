use super::*;

#[test]
fn an_import_goes_on_where_it_stopped_and_only_on_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.ndjson");
    let mut checkpoint = Checkpoint::load_or_new(&file, 7).unwrap();
    assert_eq!(checkpoint.offset, 0);

    let counts = Counts {
        written: 2,
        refused: 1,
    };
    checkpoint.advance(&Watermark::new(123, counts)).unwrap();
    let again = Checkpoint::load_or_new(&file, 7).unwrap();
    assert_eq!((again.offset, again.counts), (123, counts));

    let other = Checkpoint::load_or_new(&file, 8).unwrap_err();
    assert!(other.to_string().contains("changed since"), "{other}");

    again.remove().unwrap();
    assert_eq!(Checkpoint::load_or_new(&file, 8).unwrap().offset, 0);
}
