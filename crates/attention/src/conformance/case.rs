//! The problems of the battery: every length around the block boundaries with every pattern.

use crate::element::ElementType;
use crate::pattern::HeadPattern;
use std::fmt;

/// How elements of Q, K and V are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filling {
    /// Standard normal.
    Noise,
    /// All ones: every probability is the same.
    Ones,
    /// Row `t` of every tensor is 1 at `t mod head_dim` and 0 elsewhere.
    Identity,
    /// Elements grow with the token.
    Ramp,
    /// Scores up to about 1e4 in magnitude.
    LargeScores,
    /// Three channels of Q and K are eight times as large as the others, as models have them.
    OutlierChannels,
}

/// One problem of the battery.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Queries of the chunk.
    pub queries: usize,
    /// Tokens before the chunk.
    pub offset: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Query heads of each.
    pub group: usize,
    /// Elements of a row.
    pub head_dim: usize,
    /// Type of Q, K and V.
    pub element_type: ElementType,
    /// Elements between the heads of one token, and the tokens, that belong to nothing.
    pub gap: usize,
    /// The model's sliding window.
    pub window: Option<usize>,
    /// The pattern of every head.
    pub pattern: HeadPattern,
    /// The inputs.
    pub filling: Filling,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} queries at {}, {}x{} heads of {}, {}, gap {}, window {:?}, {}, {:?}",
            self.queries,
            self.offset,
            self.kv_heads,
            self.group,
            self.head_dim,
            self.element_type,
            self.gap,
            self.window,
            self.pattern,
            self.filling
        )
    }
}

/// Every length around the block boundaries with every pattern; the other dimensions turn at
/// different speeds, so that all their values meet.
pub(super) fn cases() -> Vec<Case> {
    let lengths = [1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 193, 255, 256, 257, 319, 320, 321];
    let patterns = |tokens: usize| {
        [
            HeadPattern::Dense,
            HeadPattern::AShape { sink: 20, local: 50 },
            HeadPattern::AShape { sink: 0, local: 0 },
            HeadPattern::TriShape { sink: 5, local: 70, last: 30 },
            HeadPattern::VerticalSlash { vertical: 40, slash: 110 },
            HeadPattern::VerticalSlash { vertical: 0, slash: 0 },
            HeadPattern::VerticalSlash { vertical: tokens / 2, slash: 2 * tokens },
            HeadPattern::BlockSparse { top_k: 2 },
            HeadPattern::BlockSparse { top_k: 0 },
            HeadPattern::BlockSparse { top_k: 1000 },
        ]
    };
    let types = [ElementType::F32, ElementType::F16, ElementType::Bf16];
    let fillings = [Filling::Noise, Filling::Noise, Filling::LargeScores, Filling::OutlierChannels];
    let mut cases = Vec::new();
    for (l, &queries) in lengths.iter().enumerate() {
        for (p, pattern) in patterns(queries).into_iter().enumerate() {
            let turn = 7 * l + p;
            cases.push(Case {
                queries,
                offset: [0, 0, 1, 63, 64, 100, 0][turn % 7],
                kv_heads: 1 + turn % 2,
                group: [1, 3, 1, 7, 1][turn % 5],
                head_dim: [64, 8, 80, 96, 64, 128, 192, 40, 64, 256, 72][turn % 11],
                element_type: types[turn % 3],
                gap: [0, 0, 0, 5][turn % 4],
                window: [None, None, None, Some(1), None, None, Some(90), None][turn % 8],
                pattern,
                filling: fillings[(turn / 3) % 4],
            });
        }
    }
    // Decoding steps: cache lengths around the steps and partitions of a streaming kernel.
    for (l, tokens) in [1, 63, 64, 65, 300, 2047, 2049, 2113].into_iter().enumerate() {
        for (d, head_dim) in [8, 24, 72, 80, 128].into_iter().enumerate() {
            let turn = 5 * l + d;
            cases.push(Case {
                queries: 1,
                offset: tokens - 1,
                kv_heads: 1 + turn % 2,
                group: [1, 3, 4, 7][turn % 4],
                head_dim,
                element_type: types[turn % 3],
                gap: [0, 5, 0][turn % 3],
                window: [None, None, Some(90), None, None, Some(1), Some(2050)][turn % 7],
                pattern: HeadPattern::Dense,
                filling: Filling::Noise,
            });
        }
    }
    // Decoding steps of every group size up to and beyond what shares a pass, with a whole and a
    // part of a vector.
    for (g, group) in [2, 5, 6, 8, 9, 17].into_iter().enumerate() {
        for (d, head_dim) in [64, 72].into_iter().enumerate() {
            cases.push(Case {
                queries: 1,
                offset: 70 + g,
                kv_heads: 2,
                group,
                head_dim,
                element_type: types[(g + d) % 3],
                gap: 0,
                window: None,
                pattern: HeadPattern::Dense,
                filling: Filling::Noise,
            });
        }
    }
    for filling in [Filling::Ones, Filling::Identity, Filling::Ramp, Filling::LargeScores] {
        for element_type in types {
            for pattern in [HeadPattern::Dense, HeadPattern::VerticalSlash { vertical: 40, slash: 100 }] {
                let (queries, offset, window) = (200, 30, None);
                let (kv_heads, group, head_dim, gap) = (1, 2, 64, 0);
                let case = Case {
                    queries,
                    offset,
                    kv_heads,
                    group,
                    head_dim,
                    element_type,
                    gap,
                    window,
                    pattern,
                    filling,
                };
                // a decoding step, and a long cache behind a short chunk
                cases.extend([
                    case,
                    Case { queries: 1, offset: 4999, ..case },
                    Case { queries: 3, offset: 2500, ..case },
                ]);
            }
        }
    }
    cases
}
