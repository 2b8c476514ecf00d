//! Prompts within a limit: the middle of the context goes.

use super::frame::Frame;
use crate::error::{Error, Result};
use crate::prompt::PromptEncoder;
use crate::sample::QuestionPrompt;

/// Bytes of a text that are looked at for each token that is wanted, at first; most tokens are
/// shorter.
const BYTES_PER_TOKEN: usize = 8;

/// A prompt that leaves room for the answer within a limit, and how many tokens it has. The first
/// and the last half of a longer one's tokens remain.
///
/// - `limit`: tokens of prompt and answer together
/// - `answer`: tokens of the longest answer
pub(super) fn within(
    frame: &Frame,
    context: &str,
    (limit, answer): (usize, usize),
    encoder: &PromptEncoder<'_>,
) -> Result<(QuestionPrompt, usize)> {
    let needed = encoder.count(&frame.prompt(""))? + answer;
    let too_small = || {
        let expected = format!("more than {needed} tokens, which the question and its longest answer take");
        Error::choice("limit of prompt and answer", expected, limit)
    };
    let room = limit.checked_sub(needed).filter(|&room| room > 0).ok_or_else(too_small)?;
    let limit = limit - answer;
    let (head, is_whole) = first_tokens(context, room + 1, encoder)?;
    if is_whole && head.len() <= room {
        let prompt = frame.prompt(context);
        let tokens = encoder.count(&prompt)?;
        if tokens <= limit {
            return Ok((prompt, tokens));
        }
    }
    let tail = last_tokens(context, room, encoder)?;
    let question = encoder.count_text(frame.after())?;
    // joined texts may have some more tokens than their parts
    let mut surplus = 0;
    while surplus < room {
        let kept = room - surplus;
        let at_end = (limit / 2).saturating_sub(question).min(kept).min(tail.len());
        let at_beginning = (kept - at_end).min(head.len());
        let beginning = encoder.text_of(&head[..at_beginning])?;
        let end = encoder.text_of(&tail[tail.len() - at_end..])?;
        // characters that were cut
        let context =
            format!("{}{}", beginning.trim_end_matches('\u{fffd}'), end.trim_start_matches('\u{fffd}'));
        let prompt = frame.prompt(&context);
        let tokens = encoder.count(&prompt)?;
        if tokens <= limit {
            return Ok((prompt, tokens));
        }
        surplus += tokens - limit;
    }
    Err(too_small())
}

/// At least the first `count` tokens of a text, and whether they are all of it. No more of the text
/// is read than needed.
fn first_tokens(text: &str, count: usize, encoder: &PromptEncoder<'_>) -> Result<(Vec<u32>, bool)> {
    enough(count, text.len(), |bytes| &text[..text.floor_char_boundary(bytes)], encoder)
}

/// At least the last `count` tokens of a text, or all.
fn last_tokens(text: &str, count: usize, encoder: &PromptEncoder<'_>) -> Result<Vec<u32>> {
    let part = |bytes: usize| &text[text.ceil_char_boundary(text.len() - bytes)..];
    Ok(enough(count, text.len(), part, encoder)?.0)
}

/// Tokens of a part that is long enough, and whether it is all.
fn enough<'a>(
    count: usize,
    all: usize,
    part: impl Fn(usize) -> &'a str,
    encoder: &PromptEncoder<'_>,
) -> Result<(Vec<u32>, bool)> {
    let mut bytes = count.saturating_mul(BYTES_PER_TOKEN);
    loop {
        let is_all = bytes >= all;
        let tokens = encoder.text_tokens(part(bytes.min(all)))?;
        if is_all || tokens.len() >= count {
            return Ok((tokens, is_all));
        }
        bytes = bytes.saturating_mul(2);
    }
}
