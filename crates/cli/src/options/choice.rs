//! Options whose value is one of a library's enum, or one word more.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::iter;

/// A parser of a choice, or of a word that stands for none of them. The word comes first in help.
pub(crate) fn choice_or<T>(
    word: &'static str,
    help: &'static str,
) -> impl TypedValueParser<Value = Option<T>> + use<T>
where
    T: ValueEnum + Clone + Send + Sync + 'static,
{
    let word = PossibleValue::new(word).help(help);
    let choices = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(iter::once(word).chain(choices)).map(|name| T::from_str(&name, false).ok())
}

/// A choice as the command line spells it.
pub(crate) fn spelling(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use minference_attention::pattern::PatternKind;
    use minference_attention::{Arithmetic, ElementType, InstructionSet};
    use minference_eval::methods::CompressionKind;
    use minference_model::CacheFormat;

    /// Names of a library's enum: those of the command line, and those of the library.
    fn names<T: ValueEnum>(name: impl Fn(&T) -> String) -> (Vec<String>, Vec<String>) {
        let variants = T::value_variants();
        (variants.iter().map(spelling).collect(), variants.iter().map(name).collect())
    }

    #[test]
    fn the_command_line_spells_choices_as_the_libraries_do() {
        for (typed, written) in [
            names(ElementType::to_string),
            names(Arithmetic::to_string),
            names(InstructionSet::to_string),
            names(CacheFormat::to_string),
            names(PatternKind::to_string),
            names(|kind: &CompressionKind| kind.name().to_string()),
        ] {
            assert_eq!(typed, written);
        }
    }

    #[test]
    fn a_word_stands_for_no_choice() {
        let command = clap::Command::new("test").arg(
            clap::Arg::new("set")
                .value_parser(choice_or::<InstructionSet>("auto", "the fastest"))
                .required(true),
        );
        let parse = |text: &str| {
            let matches = command.clone().try_get_matches_from(["test", text])?;
            Ok::<_, clap::Error>(matches.get_one::<Option<InstructionSet>>("set").copied().flatten())
        };
        assert_eq!(parse("auto").unwrap(), None);
        assert_eq!(parse("avx512-bf16").unwrap(), Some(InstructionSet::Avx512Bf16));
        assert!(parse("sse").unwrap_err().to_string().contains("auto, portable, avx2"));
    }
}
