//! Logarithms as integer tables: the same on every host.

/// ⌈log₂(n + 1)⌉, which is the number of binary digits of n.
pub(crate) const fn log2_ceil(n: u32) -> u32 {
    u32::BITS - n.leading_zeros()
}

/// 1,000·log₁₀(n) for n ≥ 1, rounded down to the leading digit's step; 0 for n = 0.
pub(crate) fn log10_milli(n: u32) -> u32 {
    let Some(digits) = n.checked_ilog10() else {
        return 0;
    };
    let mut leading = n;
    while leading >= 10 {
        leading /= 10;
    }
    let step = match leading {
        1 => 0,
        2 => 301,
        3 => 477,
        4 => 602,
        5 => 698,
        6 => 778,
        7 => 845,
        8 => 903,
        _ => 954,
    };
    1_000 * digits + step
}

/// 1,000·log(confirmations + 1) / log(wanted + 1), at most 1,000 (Lifeguard §III, LHA-Suspicion);
/// 1,000 when none are wanted.
pub(crate) fn confirmed_milli(confirmations: u32, wanted: u32) -> u32 {
    if confirmations >= wanted {
        return 1_000;
    }
    1_000 * ln_milli(confirmations + 1) / ln_milli(wanted + 1)
}

/// 1,000·ln(n) for 1 ≤ n ≤ 9; beyond, that of 9.
const fn ln_milli(n: u32) -> u32 {
    match n {
        0 | 1 => 0,
        2 => 693,
        3 => 1_099,
        4 => 1_386,
        5 => 1_609,
        6 => 1_792,
        7 => 1_946,
        8 => 2_079,
        _ => 2_197,
    }
}

#[cfg(test)]
mod tests;
