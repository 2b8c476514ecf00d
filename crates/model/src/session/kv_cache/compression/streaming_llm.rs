//! StreamingLLM (Xiao et al., arXiv 2309.17453): attention sinks and recent tokens.

use crate::error::{Error, Result};

/// Keeps the first tokens, to which models attend whatever they say, and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamingLlm {
    sink: usize,
    recent: usize,
}

impl StreamingLlm {
    /// First tokens that are kept, as in the paper.
    pub const SINK: usize = 4;

    /// The first `sink` tokens and the last `recent`.
    ///
    /// # Errors
    /// No recent tokens: of all tokens, these say what the text is about now.
    pub fn new(sink: usize, recent: usize) -> Result<Self> {
        if recent == 0 {
            return Err(Error::shape("recent tokens of StreamingLLM", "at least 1", 0));
        }
        Ok(Self { sink, recent })
    }

    /// Room for `capacity` tokens, of which the first `sink` are always kept.
    ///
    /// # Errors
    /// A capacity that holds the sink and nothing else.
    pub fn with_capacity(capacity: usize, sink: usize) -> Result<Self> {
        match capacity.checked_sub(sink) {
            Some(recent) if recent > 0 => Self::new(sink, recent),
            _ => {
                let expected = format!("more than the {sink} first tokens that are always kept");
                Err(Error::shape("capacity of StreamingLLM", expected, capacity))
            }
        }
    }

    /// First tokens that are kept.
    pub fn sink(&self) -> usize {
        self.sink
    }

    /// Last tokens that are kept.
    pub fn recent(&self) -> usize {
        self.recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::kv_cache::compression::KeptKeys;

    #[test]
    fn both_ends_stay() {
        let streaming = StreamingLlm::with_capacity(5, 2).unwrap();
        let kept = KeptKeys::ends(2, 9, streaming.sink(), streaming.recent());
        assert_eq!(kept, KeptKeys::Chosen(vec![vec![0, 1, 6, 7, 8]; 2]));
        assert_eq!(KeptKeys::ends(2, 5, 2, 3), KeptKeys::All);
        assert_eq!(KeptKeys::ends(2, 3, 2, 3), KeptKeys::All);
    }

    #[test]
    fn capacities_without_room_beyond_the_sink_are_refused() {
        for capacity in [0, 3, 4] {
            let error = StreamingLlm::with_capacity(capacity, 4).unwrap_err().to_string();
            assert!(error.contains("more than the 4 first tokens") && error.contains(&capacity.to_string()));
        }
        assert!(StreamingLlm::new(4, 0).is_err());
        assert_eq!(StreamingLlm::with_capacity(1, 0).unwrap().recent(), 1);
    }
}
