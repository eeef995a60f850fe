use super::*;

#[test]
fn the_groups_that_a_node_leads_fit_a_cell() {
    assert_eq!(led(&[]), "-");
    assert_eq!(led(&[3]), "3");
    assert_eq!(led(&[0, 1, 5, 6, 7, 9]), "0 1 5-7 9");
    assert_eq!(led(&(0..1_024).collect::<Vec<_>>()), "0-1023");
    let every_other: Vec<u32> = (0..1_024).step_by(2).collect();
    assert_eq!(led(&every_other), "512 groups");
}
