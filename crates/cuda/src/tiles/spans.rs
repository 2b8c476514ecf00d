//! The spans of a tile's two halves, joined: which keys both see, and which only one.

use super::GRANULE;
use minference_attention::KeyLayout;
use std::ops::Range;

/// Spans in granules, by who sees them.
#[derive(Debug, Default)]
pub(super) struct SharedSpans {
    /// Seen by the first half only, and by the second only.
    pub(super) of_half: [Vec<Range<usize>>; 2],
    pub(super) of_both: Vec<Range<usize>>,
    /// Granule, half, and whether a span of that half starts there or ends.
    edges: Vec<(usize, usize, bool)>,
}

impl SharedSpans {
    /// Joins the spans of both halves, in place of what was there.
    ///
    /// A span's end may be cut at its block's last query. It is rounded up here: what that adds
    /// lies behind all queries of the half, where the causal mask hides it.
    pub(super) fn join(&mut self, layouts: &[KeyLayout; 2]) {
        self.edges.clear();
        for (half, layout) in layouts.iter().enumerate() {
            for span in layout.spans() {
                debug_assert!(span.start % GRANULE == 0, "{span:?}");
                debug_assert!(span.end % GRANULE == 0 || span.end == layout.queries().end, "{span:?}");
                self.edges.push((span.start / GRANULE, half, true));
                self.edges.push((span.end.div_ceil(GRANULE), half, false));
            }
        }
        self.edges.sort_unstable();
        self.of_half.iter_mut().for_each(Vec::clear);
        self.of_both.clear();
        let (mut sees, mut from) = ([false; 2], 0);
        for &(granule, half, starts) in &self.edges {
            if granule > from {
                match sees {
                    [true, true] => extend(&mut self.of_both, from..granule),
                    [true, false] => extend(&mut self.of_half[0], from..granule),
                    [false, true] => extend(&mut self.of_half[1], from..granule),
                    [false, false] => {}
                }
            }
            sees[half] = starts;
            from = granule;
        }
    }
}

fn extend(spans: &mut Vec<Range<usize>>, span: Range<usize>) {
    match spans.last_mut() {
        Some(last) if last.end == span.start => last.end = span.end,
        _ => spans.push(span),
    }
}

/// The granules that each of some query rows sees whole, as far as causality and the sliding window
/// are concerned. `rows` are positions, at least one.
pub(super) fn clear_granules(rows: Range<usize>, window: Option<usize>) -> Range<usize> {
    let (first, last) = (rows.start, rows.end - 1);
    let end = (first + 1) / GRANULE;
    // The window hides the keys up to last - window from the last row.
    let start = window.and_then(|window| last.checked_sub(window)).map_or(0, |hidden| hidden / GRANULE + 1);
    start.min(end)..end
}
