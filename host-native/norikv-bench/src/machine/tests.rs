use std::path::Path;

use super::{Machine, field, file_system, number};

#[test]
fn the_file_system_is_that_of_the_nearest_mount() {
    let mounts = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 0:27 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1024k
32 31 0:28 / /tmp/deep rw master:7 - xfs /dev/vdb rw
33 22 0:29 / /tmpfoo rw - btrfs /dev/vdc rw
";
    assert_eq!(
        file_system(mounts, Path::new("/home/me")),
        "ext4 on /dev/vda"
    );
    assert_eq!(
        file_system(mounts, Path::new("/tmp/bench")),
        "tmpfs on tmpfs"
    );
    assert_eq!(
        file_system(mounts, Path::new("/tmp/deep")),
        "xfs on /dev/vdb"
    );
    assert_eq!(file_system("", Path::new("/")), "unknown");
}

#[test]
fn fields_of_the_kernels_texts_are_found() {
    let text = "processor\t: 0\nmodel name\t: Some CPU: fast\nMemTotal:  2048 kB\n";
    assert_eq!(field(text, "model name"), "Some CPU: fast");
    assert_eq!(number(&field(text, "MemTotal")), 2_048);
    assert_eq!(field(text, "nothing"), "unknown");
}

#[test]
fn this_machine_has_processors() {
    assert!(Machine::of(Path::new(".")).cpus > 0);
}
