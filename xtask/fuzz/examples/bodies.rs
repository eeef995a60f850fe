//! Prints the bodies, one a line.

fn main() {
    for (owner, bodies) in norikv_fuzz::CRATES {
        for (name, _) in *bodies {
            println!("{owner}/{name}");
        }
    }
}
