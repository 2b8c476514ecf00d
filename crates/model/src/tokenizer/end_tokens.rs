//! Tokens that end an answer, by name: files often name only one of those that a model may write.

use super::parts::VocabularyToken;
use super::pieces::TokenKind;

const NAMES: [&str; 9] = [
    "<|im_end|>",          // ChatML: Qwen, SmolLM, Yi
    "<|eot_id|>",          // Llama 3
    "<|eom_id|>",          // Llama 3.1, before a tool's result
    "<|end_of_text|>",     // Llama 3
    "<|endoftext|>",       // GPT-2 and its heirs, Phi, GLM
    "<|end|>",             // Phi 3
    "<end_of_turn>",       // Gemma
    "<|observation|>",     // GLM 4, before a tool's result
    "<|end▁of▁sentence|>", // DeepSeek
];

/// The ids of special tokens with a well-known name.
pub(super) fn well_known(tokens: &[VocabularyToken]) -> impl Iterator<Item = u32> {
    let is_end = |token: &VocabularyToken| {
        matches!(token.kind, TokenKind::Special | TokenKind::Added) && NAMES.contains(&token.text.as_str())
    };
    (0..).zip(tokens).filter(move |(_, token)| is_end(token)).map(|(id, _)| id)
}
