use super::{Mutant, breaks};

#[test]
fn a_mutant_lives_as_long_as_its_guard() {
    let (one, other) = (Mutant::ALL[0], Mutant::ALL[1]);
    assert!(!breaks(one));
    {
        let _one = one.plant();
        assert!(breaks(one) && !breaks(other));
        {
            let _other = other.plant();
            assert!(!breaks(one) && breaks(other));
        }
        assert!(breaks(one));
    }
    assert!(!breaks(one));
}
