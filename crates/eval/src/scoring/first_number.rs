//! The first number of an answer.

/// Whether the first run of digits is the reference, leading zeros included.
pub(super) fn is(answer: &str, reference: &str) -> bool {
    let mut runs = answer.split(|letter: char| !letter.is_ascii_digit());
    runs.find(|run| !run.is_empty()).is_some_and(|run| run == reference)
}

/// Whether the first number has the reference's value. Against a whole reference only the number's
/// whole part counts; one with decimals (49.5, or 50.0) wants them, too.
pub(super) fn has_value(answer: &str, reference: &str) -> bool {
    let (Some(found), Ok(expected)) = (first_value(answer), reference.parse::<f64>()) else { return false };
    let found = if reference.contains('.') { found } else { found.trunc() };
    found == expected
}

/// The first digits, with the decimals that follow them.
fn first_value(answer: &str) -> Option<f64> {
    let number = &answer[answer.find(|letter: char| letter.is_ascii_digit())?..];
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(number);
    let decimals = number[whole..].strip_prefix('.').map_or(0, digits);
    let end = if decimals > 0 { whole + 1 + decimals } else { whole };
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_digits_are_compared_as_texts() {
        assert!(is("71432", "71432") && is("The key is 71432, not 5.", "71432"));
        assert!(is("It is 00123.", "00123") && !is("It is 123.", "00123"));
        assert!(!is("5, no: 71432", "71432") && !is("714325", "71432") && !is("", "71432"));
        assert!(!is("none", "") && !is("７１４３２", "71432"));
    }

    #[test]
    fn values_are_compared_as_numbers() {
        assert!(has_value(" 97", "97") && has_value("It is 97.", "97") && has_value("97.8", "97"));
        assert!(has_value("49.5 is the median", "49.5") && has_value("50", "50.0"));
        assert!(!has_value("49.", "49.5") && !has_value("50.5", "50.0") && !has_value("-", "5"));
        assert!(!has_value("", "0") && !has_value("第一 9 和 97", "97") && has_value("答案是97。", "97"));
        assert!(!has_value("97", "ninety-seven"));
    }
}
