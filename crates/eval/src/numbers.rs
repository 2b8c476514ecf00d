//! Numbers as tables and figures write them.
//!
//! ```
//! use minference_eval::numbers::{count, duration, memory, percent, speedup};
//!
//! assert_eq!(percent(0.5213), "52.1%");
//! assert_eq!(count(131_072), "131,072");
//! assert_eq!(duration(0.0421), "42.10 ms");
//! assert_eq!(memory(13 << 20), "13.0 MiB");
//! assert_eq!(speedup(2.714), "2.71x");
//! assert_eq!(percent(f64::NAN), "-"); // nothing is known
//! ```

/// A share in percent, with as few digits as its size needs.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "-".into();
    }
    let value = share * 100.0;
    let text = match value.abs() {
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 1e-5 => {
            // two digits that count
            format!("{value:.*}", (1.0 - size.log10().floor()) as usize)
        }
        _ => "0".into(),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// A difference of shares in percent, with its sign; `+0%` is none.
pub fn signed_percent(difference: f64) -> String {
    if !difference.is_finite() {
        return "-".into();
    }
    let text = percent(difference);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

/// A whole number with commas between its thousands.
pub fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of tokens as people write it: `8000`, or `31K` for 31 times 1,024, or `1M` for 1,024
/// times 1,024. None for what is none, or 0.
///
/// ```
/// use minference_eval::numbers::parse_length;
///
/// assert_eq!(["8000", "4K", "31k", "1M"].map(parse_length), [8000, 4096, 31_744, 1_048_576].map(Some));
/// assert_eq!(["", "K", "0", "4.5K", "4G", "9999999999999999M"].map(parse_length), [None; 6]);
/// ```
pub fn parse_length(text: &str) -> Option<usize> {
    let text = text.trim();
    let (number, factor) = match text.chars().last().map(|letter| letter.to_ascii_uppercase()) {
        Some('K') => (&text[..text.len() - 1], 1 << 10),
        Some('M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    number.parse::<usize>().ok()?.checked_mul(factor).filter(|&tokens| tokens > 0)
}

/// A length in few letters: `K` stands for 1,024 tokens, `k` for 1,000.
pub fn short_length(tokens: usize) -> String {
    match tokens {
        0..1000 => tokens.to_string(),
        tokens if tokens.is_multiple_of(1000) => format!("{}k", tokens / 1000),
        tokens if tokens.is_multiple_of(1024) => format!("{}K", tokens / 1024),
        tokens => format!("{:.1}k", tokens as f64 / 1000.0).replace(".0k", "k"),
    }
}

/// An amount of memory with three significant digits.
pub fn memory(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["bytes", "KiB", "MiB", "GiB"];
    let unit = (0..UNITS.len()).rev().find(|unit| bytes >> (10 * unit) > 0).unwrap_or(0);
    let amount = bytes as f64 / (1u64 << (10 * unit)) as f64;
    let digits = match amount {
        _ if unit == 0 => 0,
        amount if amount < 9.995 => 2,
        amount if amount < 99.95 => 1,
        _ => 0,
    };
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// A time with three significant digits.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "-".into(),
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 0.1 => format!("{:.2} ms", s * 1e3),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 100.0 => format!("{s:.2} s"),
        s => format!("{s:.0} s"),
    }
}

/// How many times as fast.
pub fn speedup(factor: f64) -> String {
    if factor.is_finite() { format!("{factor:.2}x") } else { "-".into() }
}

/// A number with `decimals`, if it is one; large ones by their power of ten.
pub fn decimal(value: f64, decimals: usize) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".into(),
        size if size >= 1e7 => format!("{value:.1e}"),
        _ => format!("{value:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_three_digits() {
        let cases = [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.00 KiB"),
            (12_800, "12.5 KiB"),
            (1 << 29, "512 MiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(memory(bytes), text);
        }
        assert_eq!((memory(10_480_000), memory(u64::MAX)), ("9.99 MiB".into(), "17179869184 GiB".into()));
    }

    #[test]
    fn shares_are_written_in_percent() {
        assert_eq!(
            [1.0, 0.123, 0.01234, 0.000_123, 0.0].map(percent),
            ["100%", "12.3%", "1.23%", "0.012%", "0%"]
        );
        assert_eq!(percent(f64::NAN), "-");
        assert_eq!([0.02, 0.0, -0.123, f64::INFINITY].map(signed_percent), ["+2%", "+0%", "-12.3%", "-"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn decimals_stay_short() {
        assert_eq!(
            [8.1249, -0.5, 3e40, f64::NAN].map(|value| decimal(value, 3)),
            ["8.125", "-0.500", "3.0e40", "-"]
        );
    }

    #[test]
    fn lengths_and_times_are_short() {
        assert_eq!(
            [512, 4096, 131_072, 128_000, 31_000, 4100].map(short_length),
            ["512", "4K", "128K", "128k", "31k", "4.1k"]
        );
        assert_eq!(
            [2e-5, 0.2, 12.345, 1234.0, f64::NAN].map(duration),
            ["20 µs", "200.0 ms", "12.35 s", "1234 s", "-"]
        );
    }
}
