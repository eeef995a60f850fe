use super::*;
use nori_observe::Error;

fn lines(meter: &Meter) -> Vec<String> {
    encode(meter).lines().map(String::from).collect()
}

#[test]
fn an_empty_meter_is_an_empty_exposition() {
    assert_eq!(encode(&Meter::new()), "# EOF\n");
}

#[test]
fn series_stand_in_order_under_one_descriptor_each() -> Result<(), Error> {
    let meter = Meter::new();
    meter
        .gauge("members", "Members by state.", &[("state", "faulty")])?
        .set(-1);
    meter.counter("commits", "Commits.", &[])?.add(7);
    meter
        .gauge("members", "Members by state.", &[("state", "alive")])?
        .set(2);
    let expected = [
        "# HELP commits Commits.",
        "# TYPE commits counter",
        "commits_total 7",
        "# HELP members Members by state.",
        "# TYPE members gauge",
        "members{state=\"alive\"} 2",
        "members{state=\"faulty\"} -1",
        "# EOF",
    ];
    assert_eq!(lines(&meter), expected);
    Ok(())
}

#[test]
fn label_values_and_help_texts_are_escaped() -> Result<(), Error> {
    let meter = Meter::new();
    meter.counter("c", "a \\ and\na \"", &[("path", "C:\\x\n\"ä\"")])?;
    let lines = lines(&meter);
    assert_eq!(lines[0], r##"# HELP c a \\ and\na \""##);
    assert_eq!(lines[2], r#"c_total{path="C:\\x\n\"ä\""} 0"#);
    assert_eq!(lines.len(), 4, "no value breaks a line");
    Ok(())
}

#[test]
fn timers_are_shown_in_seconds_with_their_unit() -> Result<(), Error> {
    let meter = Meter::new();
    let timer = meter.timer("sync_seconds", "Log syncs.", &[("disk", "a")])?;
    for nanos in [500, 1_000_000, 2_000_000, 90_000_000_000] {
        timer.record(nanos);
    }
    let lines = lines(&meter);
    assert_eq!(
        lines[..3],
        [
            "# HELP sync_seconds Log syncs.",
            "# TYPE sync_seconds histogram",
            "# UNIT sync_seconds seconds"
        ]
    );
    assert_eq!(lines[3], "sync_seconds_sum{disk=\"a\"} 90.0030005");
    assert_eq!(lines[4], "sync_seconds_count{disk=\"a\"} 4");
    let bucket = |le: &str| {
        let prefix = format!("sync_seconds_bucket{{le=\"{le}\",disk=\"a\"}} ");
        let found = lines.iter().find_map(|line| line.strip_prefix(&prefix));
        found.and_then(|count| count.parse::<u64>().ok())
    };
    assert_eq!(bucket("0.000001023"), Some(1));
    assert_eq!(bucket("0.001048575"), Some(2));
    assert_eq!(bucket("0.002097151"), Some(3));
    assert_eq!(bucket("68.719476735"), Some(3));
    assert_eq!(bucket("+Inf"), Some(4));
    Ok(())
}

#[test]
fn bucket_counts_grow_to_the_count_whatever_was_recorded() -> Result<(), Error> {
    let meter = Meter::new();
    let histogram = meter.histogram("bytes", "", &[])?;
    for exponent in 0..64 {
        histogram.record(1 << exponent);
        histogram.record((1 << exponent) - 1);
    }
    let mut counts = Vec::new();
    for line in lines(&meter)
        .iter()
        .filter(|line| line.starts_with("bytes_bucket"))
    {
        let count = line
            .rsplit(' ')
            .next()
            .and_then(|count| count.parse::<u64>().ok());
        counts.push(count.unwrap_or(u64::MAX));
    }
    assert_eq!(counts.len(), 22);
    // Up to 2^e − 1 there are the powers below 2^e and, one less each, e + 1 more.
    let expected = EXPONENTS_PLAIN
        .iter()
        .map(|exponent| 2 * u64::from(*exponent) + 1);
    assert_eq!(counts, expected.chain([128]).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn series_do_not_come_and_go_with_values() -> Result<(), Error> {
    let meter = Meter::new();
    let timer = meter.timer("t_seconds", "", &[])?;
    let names = |meter: &Meter| {
        let name = |line: &String| line.rsplit_once(' ').map(|(name, _)| String::from(name));
        lines(meter).iter().map(name).collect::<Vec<_>>()
    };
    let before = names(&meter);
    timer.record(1);
    timer.record(u64::MAX);
    assert_eq!(names(&meter), before);
    Ok(())
}
