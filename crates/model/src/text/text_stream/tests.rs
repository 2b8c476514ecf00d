use super::*;
use crate::text::tokenizer::SpecialTokens;
use crate::text::tokenizer::tests::{IM_END, IM_START, tiny, with_fallback};
use proptest::prelude::*;

fn stops(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// All text, and why it ended.
fn streamed(tokenizer: &Tokenizer, ids: &[u32], texts: &[&str]) -> (String, Option<StreamEnd>) {
    let mut stream = TextStream::new(tokenizer, &stops(texts)).unwrap();
    let mut text = String::new();
    for &id in ids {
        text += &stream.push(id).unwrap().text;
    }
    let rest = stream.finish();
    (text + &rest.text, rest.end)
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, SpecialTokens::AsText).unwrap()
}

#[test]
fn characters_come_whole() {
    let tokenizer = tiny("qwen2");
    let mut stream = TextStream::new(&tokenizer, &[]).unwrap();
    let pieces: Vec<String> =
        ids(&tokenizer, "a🙂b").into_iter().map(|id| stream.push(id).unwrap().text).collect();
    assert_eq!(pieces, ["a", "", "", "", "🙂", "b"]);
    let (text, end) = streamed(&tokenizer, &ids(&tokenizer, "a🙂")[..3], &[]);
    assert_eq!((text.as_str(), end), ("a\u{fffd}", None));
}

#[test]
fn end_tokens_end_and_special_tokens_are_silent() {
    let tokenizer = tiny("qwen2");
    let mut answer = vec![IM_START];
    answer.extend(ids(&tokenizer, "hello"));
    answer.extend([IM_END, IM_END]);
    answer.extend(ids(&tokenizer, "hello"));
    assert_eq!(streamed(&tokenizer, &answer, &["lo!"]), ("hello".to_owned(), Some(StreamEnd::Token(IM_END))));
    let mut stream = TextStream::new(&tokenizer, &[]).unwrap();
    assert!(matches!(stream.push(9999), Err(Error::UnknownToken { id: 9999, .. })));
}

#[test]
fn stop_strings_are_found_across_tokens_and_not_given_out() {
    let tokenizer = tiny("qwen2");
    let stop = |text: &str| Some(StreamEnd::StopString(text.to_owned()));
    let cases: [(&str, &[&str], &str, Option<StreamEnd>); 8] = [
        ("abc\nUser: x", &["\nUser:"], "abc", stop("\nUser:")),
        ("abc\nUse", &["\nUser:"], "abc\nUse", None),
        ("hello hello", &["lo h"], "hel", stop("lo h")),
        ("hello", &["hello"], "", stop("hello")),
        // The first to be complete, even where another began before it.
        ("abcd", &["abcd", "bc"], "a", stop("bc")),
        // The longer of two that are complete at once.
        ("abcd", &["cd", "bcd"], "a", stop("bcd")),
        ("aaab", &["aab"], "a", stop("aab")),
        ("x🙂y", &["🙂"], "x", stop("🙂")),
    ];
    for (text, texts, expected, end) in cases {
        assert_eq!(streamed(&tokenizer, &ids(&tokenizer, text), texts), (expected.to_owned(), end), "{text}");
    }
    assert!(TextStream::new(&tokenizer, &stops(&["a", ""])).is_err());
}

#[test]
fn text_is_held_back_only_while_it_could_stop() {
    let tokenizer = tiny("qwen2");
    let mut stream = TextStream::new(&tokenizer, &stops(&["ab!"])).unwrap();
    let pieces: Vec<String> =
        ids(&tokenizer, "xabab.").into_iter().map(|id| stream.push(id).unwrap().text).collect();
    assert_eq!(pieces, ["x", "", "", "ab", "", "ab."]);
}

#[test]
fn the_first_space_of_a_sentence_piece_answer_is_not_given_out() {
    let tokenizer = with_fallback();
    assert_eq!(streamed(&tokenizer, &[1, 7, 7, 8 + 0xc3, 8 + 0xa9], &[]).0, "hi hié");
    assert_eq!(streamed(&tokenizer, &[7, 2, 7], &[]), ("hi".to_owned(), Some(StreamEnd::Token(2))));
}

proptest! {
    /// Pieces together are the text of all tokens, also where that is no UTF-8.
    #[test]
    fn pieces_together_are_the_decoded_text(
        tokens in prop::collection::vec(prop_oneof![0u32..265, Just(IM_START), Just(267u32)], 0..40),
        fallback in prop::collection::vec(prop_oneof![3u32..264, Just(0x9f + 8), Just(0xf0 + 8), Just(0x98 + 8)], 0..40),
    ) {
        let tokenizer = tiny("smollm");
        prop_assert_eq!(streamed(&tokenizer, &tokens, &[]).0, tokenizer.decode(&tokens).unwrap());
        prop_assert_eq!(streamed(&tokenizer, &tokens, &["\u{1}\u{2}"]).0, tokenizer.decode(&tokens).unwrap());
        let tokenizer = with_fallback();
        prop_assert_eq!(streamed(&tokenizer, &fallback, &[]).0, tokenizer.decode(&fallback).unwrap());
    }

    /// The text before the stop string that is complete first, however the text is cut into tokens.
    #[test]
    fn stop_strings_cut_where_a_search_over_the_whole_text_does(
        text in "[abé🙂]{0,24}",
        texts in prop::collection::vec("[abé🙂]{1,4}", 1..4),
    ) {
        let tokenizer = tiny("smollm");
        let first = texts.iter().filter_map(|stop| text.find(stop.as_str()).map(|start| (start + stop.len(), start))).min();
        let expected = first.map_or(text.as_str(), |(_, start)| &text[..start]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (found, end) = streamed(&tokenizer, &ids(&tokenizer, &text), &texts);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(end.is_some(), first.is_some());
    }
}
