//! [`TokenMask`]: which tokens may be chosen.

/// Tokens that may be chosen, one bit each, in words of 32 as grammar engines write them.
///
/// ```
/// use minference_model::generation::sampling::{Sampler, SamplingOptions, TokenMask};
///
/// let mut mask = TokenMask::none(3);
/// mask.allow(0);
/// mask.allow(2);
/// let mut greedy = Sampler::new(SamplingOptions::default())?;
/// assert_eq!(greedy.sample_among(&[0.0, 5.0, 1.0], &[], 0, Some(&mask))?, 2);
/// # Ok::<(), minference_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMask {
    words: Vec<u32>,
}

impl TokenMask {
    /// A mask for ids below `vocabulary` that allows none of them.
    pub fn none(vocabulary: usize) -> Self {
        Self { words: vec![0; vocabulary.div_ceil(u32::BITS as usize)] }
    }

    /// From words: bit `i` of word `w` is the token `32 w + i`. Tokens beyond them are not allowed.
    pub fn from_words(words: Vec<u32>) -> Self {
        Self { words }
    }

    /// Allows a token; nothing happens for one beyond the mask.
    pub fn allow(&mut self, id: u32) {
        if let Some(word) = self.words.get_mut((id / u32::BITS) as usize) {
            *word |= 1 << (id % u32::BITS);
        }
    }

    /// Whether a token may be chosen.
    pub fn allows(&self, id: u32) -> bool {
        self.words.get((id / u32::BITS) as usize).is_some_and(|word| word >> (id % u32::BITS) & 1 == 1)
    }
}
