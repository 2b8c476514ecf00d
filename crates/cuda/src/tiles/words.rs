//! The words of a list: [`Entry`] and [`Column`], as `kernels/interface.h` has them.

use super::GRANULE;

const GRANULE_MASK: u32 = 0x03ff_ffff;
const LENGTH_SHIFT: u32 = 26;
const HIDDEN: [u32; 2] = [1 << 29, 1 << 30];
const MASKED: u32 = 1 << 31;

/// Up to 64 consecutive keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(u32);

impl Entry {
    /// A place that holds no key for either half: it points to keys that exist, so that they can be
    /// loaded without asking.
    pub(super) const NONE: Self = Self(4 << LENGTH_SHIFT | HIDDEN[0] | HIDDEN[1] | MASKED);

    /// `granules` (1 to 4) from granule `first` on.
    pub(super) fn new(first: usize, granules: usize, masked: bool) -> Self {
        debug_assert!(first <= GRANULE_MASK as usize && (1..=4).contains(&granules));
        Self(first as u32 | (granules as u32) << LENGTH_SHIFT | if masked { MASKED } else { 0 })
    }

    /// As a word of a list.
    pub fn word(self) -> u32 {
        self.0
    }
    /// From a word of a list.
    pub fn from_word(word: u32) -> Self {
        Self(word)
    }
    /// Its keys.
    pub fn keys(self) -> std::ops::Range<usize> {
        let first = (self.0 & GRANULE_MASK) as usize * GRANULE;
        first..first + (self.0 >> LENGTH_SHIFT & 7) as usize * GRANULE
    }
    /// Whether a half must not see it.
    pub fn is_hidden_from(self, half: usize) -> bool {
        self.0 & HIDDEN[half] != 0
    }
    /// Whether its keys are to be compared with the rows' positions.
    pub fn is_masked(self) -> bool {
        self.0 & MASKED != 0
    }
    /// The same, hidden from a half, which takes a comparison.
    pub(super) fn hidden_from(self, half: usize) -> Self {
        Self(self.0 | HIDDEN[half] | MASKED)
    }
}

/// A single key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column(u32);

impl Column {
    /// A place that holds no key.
    pub(super) const NONE: Self = Self(u32::MAX);
    const KEY_MASK: u32 = 0x3fff_ffff;

    /// A key that both halves see.
    pub(super) fn of_both(key: u32) -> Self {
        debug_assert!(key <= Self::KEY_MASK);
        Self(key)
    }
    /// A key that one half sees.
    pub(super) fn of_half(key: u32, half: usize) -> Self {
        Self(key | 1 << (31 - half))
    }

    /// As a word of a list.
    pub fn word(self) -> u32 {
        self.0
    }
    /// From a word of a list.
    pub fn from_word(word: u32) -> Self {
        Self(word)
    }
    /// The key, if the place holds one.
    pub fn key(self) -> Option<usize> {
        (self != Self::NONE).then_some((self.0 & Self::KEY_MASK) as usize)
    }
    /// Whether a half must not see it.
    pub fn is_hidden_from(self, half: usize) -> bool {
        self.0 >> (30 + half) & 1 != 0
    }
}
