//! Times to live, as people write them.

/// The milliseconds of `1500ms`, `30s`, `5m`, `2h`, `7d`; a bare number is seconds.
///
/// # Errors
/// A sentence for the caller when it is none of them, or less than a millisecond.
pub fn parse(text: &str) -> Result<u64, String> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit_ms = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let ttl_ms = number
        .zip(unit_ms)
        .and_then(|(n, unit)| n.checked_mul(unit));
    ttl_ms
        .filter(|ttl| *ttl > 0)
        .ok_or_else(|| format!("{text} is no time to live such as 1500ms, 30s, 5m, 2h or 7d"))
}

#[cfg(test)]
mod tests;
