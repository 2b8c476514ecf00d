//! Tokens that end an answer, by name: files often name only one of those that a model may write,
//! and vocabularies give them any type.
//!
//! The names are those at which llama.cpp ends a generation, and their kin in published
//! vocabularies.

use super::parts::VocabularyToken;
use super::pieces::TokenKind;

/// No text is cut into words with these names in them; who finds one in a vocabulary has found the
/// token.
const NAMES: [&str; 49] = [
    // the end of a message, or of a turn
    "<|im_end|>",            // ChatML: Qwen, SmolLM, Yi
    "<|eot_id|>",            // Llama 3
    "<|eom_id|>",            // Llama 3.1, before a tool's result
    "<|eot|>",               // Llama 4
    "<|eom|>",               // Llama 4, before a tool's result
    "<|end|>",               // Phi 3
    "<end_of_turn>",         // Gemma
    "<turn|>",               // Gemma 4
    "<|tool_response>",      // Gemma 4, before a tool's result
    "<|observation|>",       // GLM 4, before a tool's result
    "<|return|>",            // gpt-oss
    "<|call|>",              // gpt-oss, before a tool's result
    "<|calls|>",             // Solar Open, before a tool's result
    "<|flush|>",             // Solar Open
    "<|end_of_turn|>",       // OpenChat
    "<|END_OF_TURN_TOKEN|>", // Command R
    "[|endofturn|]",         // EXAONE
    "<|endofturn|>",         // HyperCLOVA X
    "<|assistant_end|>",     // Apertus
    "<|role_end|>",          // Ling
    "<end_of_utterance>",    // SmolVLM
    "[EOT]",                 // Kimi K2
    "<EOT>",                 // Code Llama, after what was to be filled in
    "_<EOT>",
    "\u{2581}<EOT>",
    "[e~[", // MiniMax M2
    // the end of a text
    "</s>",                                            // Llama 2, Mistral
    "<eos>",                                           // Gemma
    "<|eos|>",                                         // Hunyuan
    "[EOS]",                                           // Kimi K2
    "<|end_of_text|>",                                 // Llama 3, Granite
    "<|endoftext|>",                                   // GPT-2 and its heirs, Phi, GLM
    "<|end_of_sentence|>",                             // ERNIE
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>", // DeepSeek, with full-width bars
    "<|end\u{2581}of\u{2581}sentence|>",               // the same, where they were made narrow
    "<[end\u{2581}of\u{2581}sentence]>",               // Seed-Coder
    "<seed:eos>",                                      // Seed-OSS
    "<|plamo:eos|>",                                   // PLaMo
    // what follows code that was to be filled in: nothing, another file, another repository
    "<|fim_pad|>", // Qwen
    "<fim-pad>",
    "<fim_pad>", // StarCoder, Granite
    "<PAD>",
    "[PAD]",        // Kimi K2
    "<|file_sep|>", // Qwen
    "<|fim_repo|>",
    "<|repo_name|>", // Qwen
    "<fim-repo>",
    "<REPO>",
    "<reponame>", // Granite
];

/// Names that end nothing in a vocabulary that has all of some others.
const EXCEPTIONS: [(&str, &[&str]); 7] = [
    // an answer may have several messages; the last one ends with one of these two
    ("<|end|>", &["<|return|>", "<|call|>"]),
    ("<|end|>", &["<|return|>", "<|calls|>"]),
    ("<|end|>", &["<|flush|>", "<|call|>"]),
    ("<|end|>", &["<|flush|>", "<|calls|>"]),
    // struck-out text in HTML
    ("</s>", &["<|tool_response>"]),
    ("</s>", &["<|plamo:eos|>"]),
    ("</s>", &["</strong>"]),
];

/// The ids of tokens with a well-known name, whatever kind the vocabulary says they are.
pub(super) fn well_known(tokens: &[VocabularyToken]) -> Vec<u32> {
    let known = |token: &&VocabularyToken| NAMES.contains(&token.text.as_str());
    let beside: Vec<&str> = EXCEPTIONS.iter().flat_map(|(_, others)| *others).copied().collect();
    let present: Vec<&str> =
        tokens.iter().map(|token| token.text.as_str()).filter(|text| beside.contains(text)).collect();
    let ends_nothing = |name: &str| {
        EXCEPTIONS
            .iter()
            .any(|(except, others)| *except == name && others.iter().all(|other| present.contains(other)))
    };
    let ids = (0..).zip(tokens).filter(|(_, token)| known(token) && !ends_nothing(&token.text));
    ids.map(|(id, _)| id).collect()
}

/// Makes special tokens of those with a well-known name that a file takes for others: their names
/// in a template are the tokens, in a message they are text.
///
/// - `kinds`: what they are taken for
pub(super) fn make_special(tokens: &mut [VocabularyToken], kinds: &[TokenKind]) {
    for id in well_known(tokens) {
        let token = usize::try_from(id).ok().and_then(|id| tokens.get_mut(id));
        if let Some(token) = token.filter(|token| kinds.contains(&token.kind)) {
            token.kind = TokenKind::Special;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn found<'a>(names: &[&'a str], kind: TokenKind) -> Vec<&'a str> {
        let tokens: Vec<VocabularyToken> =
            names.iter().map(|name| VocabularyToken::new(*name, kind)).collect();
        well_known(&tokens).into_iter().map(|id| names[id as usize]).collect()
    }

    #[test]
    fn names_are_known_whatever_their_kind() {
        assert_eq!(NAMES.iter().collect::<HashSet<_>>().len(), NAMES.len());
        let names = ["a", "<|im_end|>", "<｜end▁of▁sentence｜>", "<|im_start|>", "</s>", "<|end|>"];
        for kind in [TokenKind::Text, TokenKind::Added, TokenKind::Special, TokenKind::Unused] {
            let expected = ["<|im_end|>", "<｜end▁of▁sentence｜>", "</s>", "<|end|>"];
            assert_eq!(found(&names, kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn some_names_mean_something_else_beside_others() {
        let ends = |names: &[&'static str]| found(names, TokenKind::Text);
        assert_eq!(ends(&["<|end|>", "<|return|>", "<|call|>"]), ["<|return|>", "<|call|>"]);
        assert_eq!(ends(&["<|end|>", "<|calls|>", "<|flush|>"]), ["<|calls|>", "<|flush|>"]);
        assert_eq!(ends(&["<|end|>", "<|return|>"]), ["<|end|>", "<|return|>"]);
        assert_eq!(ends(&["</s>", "<|tool_response>"]), ["<|tool_response>"]);
        assert_eq!(ends(&["</s>", "</strong>", "<eos>"]), ["<eos>"]);
    }
}
