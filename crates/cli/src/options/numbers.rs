//! Numbers as people type them: what can't be one is refused with what was probably meant.
//!
//! Options are declared with plain types, and [`with_number_parsers`] puts the parsers of this file
//! into the whole command line. A negative number is then the value of an option, where it would be
//! an unknown option otherwise.

use crate::options::Length;
use clap::builder::{Arg, Command};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::any::TypeId;

/// What negative numbers mean to other programs, by option, and what to do here.
const NEGATIVE: [(&str, &str); 5] = [
    ("seed", "other programs draw a seed for -1; here any number does, such as --seed $RANDOM"),
    (
        "max_tokens",
        "other programs answer without a limit for -1; an answer ends where the model ends it, or with the context, if the number is \
         large, such as 100000",
    ),
    ("top_k", "leave the option out for all tokens"),
    ("threads", "leave the option out for one per core"),
    ("context", "leave the option out for the model's own"),
];

/// Options that were renamed, or that other programs have, and what to do here.
const UNKNOWN: [(&str, &str); 1] =
    [("--top-k", "blocks of block-sparse attention are --blocks; --top-k is for drawing an answer's tokens")];

/// Words for no number at all.
const WORDS: [&str; 9] = ["all", "auto", "default", "inf", "infinite", "max", "none", "off", "unlimited"];

/// A command line whose numbers get the parsers of this file, subcommands included.
pub(crate) fn with_number_parsers(command: Command) -> Command {
    command.mut_args(with_number_parser).mut_subcommands(with_number_parsers)
}

fn with_number_parser(argument: Arg) -> Arg {
    let kind = argument.get_value_parser().type_id();
    let advice = NEGATIVE.iter().find(|(option, _)| argument.get_id() == option).map(|(_, advice)| *advice);
    let argument = if kind == TypeId::of::<usize>() {
        argument.value_parser(move |text: &str| {
            let number = count(text, advice)?;
            usize::try_from(number).map_err(|_| format!("expected at most {}", usize::MAX))
        })
    } else if kind == TypeId::of::<u64>() {
        argument.value_parser(move |text: &str| count(text, advice))
    } else if kind == TypeId::of::<Length>() {
        argument.value_parser(length)
    } else if kind == TypeId::of::<f64>() {
        argument.value_parser(number::<f64>)
    } else if kind == TypeId::of::<f32>() {
        argument.value_parser(number::<f32>)
    } else {
        return argument;
    };
    argument.allow_negative_numbers(true)
}

/// The parser's error, with what to do about an option that people know from elsewhere.
pub(crate) fn with_advice(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    let known =
        UNKNOWN.iter().find(|(unknown, _)| error.kind() == ErrorKind::UnknownArgument && unknown == option);
    if let Some((_, advice)) = known {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![(*advice).into()]));
    }
    error
}

/// A whole number from 0 on.
fn count(text: &str, advice: Option<&str>) -> Result<u64, String> {
    let text = text.trim();
    text.parse().map_err(|_| {
        let expected = "expected a whole number from 0 on, in digits alone";
        if is_negative(text) {
            return sentence(expected, advice.map(str::to_string));
        }
        sentence(
            expected,
            meaning(text).map(|numbers| format!("write {}", numbers.join(" or "))).or_else(|| word(text)),
        )
    })
}

/// A length in tokens.
fn length(text: &str) -> Result<Length, String> {
    text.parse::<Length>().map_err(|error| {
        let meant = meaning(text.trim()).map(|numbers| format!("write {}", numbers[0]));
        sentence(&error.to_string(), meant.or_else(|| word(text.trim())))
    })
}

/// A number with decimals.
fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    let text = text.trim();
    text.parse().map_err(|_| {
        sentence(
            "expected a number such as 0.7",
            decimals(text).map(|meant| format!("write {meant}")).or_else(|| word(text)),
        )
    })
}

fn sentence(expected: &str, advice: Option<String>) -> String {
    advice.map_or_else(|| expected.to_string(), |advice| format!("{expected}; {advice}"))
}

fn is_negative(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.parse::<f64>().is_ok())
}

fn word(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    WORDS.contains(&&*text).then(|| "leave the option out for its default".into())
}

/// The whole numbers that a text may stand for, in digits.
fn meaning(text: &str) -> Option<Vec<String>> {
    let digits: String = text.chars().filter(|letter| !matches!(letter, '_' | ',' | '\'' | ' ')).collect();
    let lower = digits.to_ascii_lowercase();
    if let Some(hexadecimal) = lower.strip_prefix("0x") {
        return u64::from_str_radix(hexadecimal, 16).ok().map(|number| vec![number.to_string()]);
    }
    let plain = lower.trim_end_matches('b').trim_end_matches('i');
    let (number, power) = match plain.chars().last()? {
        'k' => (&plain[..plain.len() - 1], 1),
        'm' => (&plain[..plain.len() - 1], 2),
        'g' => (&plain[..plain.len() - 1], 3),
        _ => (&*lower, 0),
    };
    // words such as `inf` are numbers to the parser
    let number: f64 =
        number.starts_with(|c: char| c.is_ascii_digit() || c == '.').then(|| number.parse().ok())??;
    let whole = |factor: f64| {
        let number = number * factor.powi(power);
        // beyond this not every whole number can be told from its neighbours
        (number.fract() == 0.0 && number <= 2f64.powi(53)).then(|| format!("{number:.0}"))
    };
    let mut numbers: Vec<String> = [1024.0, 1000.0].into_iter().filter_map(whole).collect();
    numbers.dedup();
    (!numbers.is_empty()).then_some(numbers)
}

/// The number with decimals that a text may stand for.
fn decimals(text: &str) -> Option<String> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim_end().replace(',', ".").parse().ok()?;
        return Some((percent / 100.0).to_string());
    }
    if let Some((above, below)) = text.split_once('/') {
        let (above, below): (f64, f64) = (above.trim().parse().ok()?, below.trim().parse().ok()?);
        return Some(format!("{:.4}", above / below)).filter(|_| below != 0.0);
    }
    let plain = text.trim_matches(['x', 'X', '*']).trim();
    // a comma before three digits may stand for thousands
    if plain.split_once(',').is_some_and(|(_, decimals)| decimals.len() == 3) {
        return None;
    }
    let point = plain.replace(',', ".").replace('_', "");
    point.parse::<f64>().ok().filter(|number| number.is_finite()).map(|_| point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_told_as_digits() {
        assert_eq!((count(" 40 ", None), count("0", None)), (Ok(40), Ok(0)));
        for (text, advice) in [
            ("32k", "write 32768 or 32000"),
            ("1.5K", "write 1536 or 1500"),
            ("2MiB", "write 2097152 or 2000000"),
            ("1_000", "write 1000"),
            ("1,000", "write 1000"),
            ("1'000'000", "write 1000000"),
            ("1e6", "write 1000000"),
            ("8.0", "write 8"),
            ("0x10", "write 16"),
            ("all", "leave the option out"),
            ("Inf", "leave the option out"),
        ] {
            let error = count(text, None).unwrap_err();
            assert!(
                error.starts_with("expected a whole number from 0 on") && error.ends_with(advice)
                    || error.contains(advice) && advice.starts_with("leave"),
                "{text}: {error}"
            );
        }
        for text in ["", "x", "0.7", "50%", "k", "-", "99999999999999999999", "1e400", "-0.5", "ünk", "nan"]
        {
            assert_eq!(
                count(text, None).unwrap_err(),
                "expected a whole number from 0 on, in digits alone",
                "{text}"
            );
        }
        assert!(count("-1", Some("leave it out")).unwrap_err().ends_with("; leave it out"));
    }

    #[test]
    fn lengths_are_told_as_lengths() {
        assert_eq!(length("16K"), Ok(Length(16384)));
        assert!(length("4.5K").unwrap_err().ends_with("found \"4.5K\"; write 4608"));
        assert!(length("16_000").unwrap_err().ends_with("write 16000"));
        assert!(length("-1").unwrap_err().contains("16K"));
    }

    #[test]
    fn decimals_take_a_point() {
        assert_eq!((number("0.7"), number("-1")), (Ok(0.7f32), Ok(-1.0)));
        for (text, meant) in [
            ("70%", "0.7"),
            ("2,5 %", "0.025"),
            ("0,7", "0.7"),
            ("4x", "4"),
            ("1/4", "0.2500"),
            ("1_000", "1000"),
        ] {
            assert!(number::<f64>(text).unwrap_err().ends_with(&format!("write {meant}")), "{text}");
        }
        for text in ["", "x", "hot", "1,000", "1/0", "%", "0.7.1"] {
            assert_eq!(number::<f64>(text).unwrap_err(), "expected a number such as 0.7", "{text}");
        }
    }
}
