//! The effective length, as the benchmark reports it.
//!
//! ```
//! use minference_eval::tasks::ruler::effective_length;
//!
//! // the average over tasks at each length
//! assert_eq!(effective_length(&[(4096, 95.1), (8192, 90.4), (16384, 85.0), (32768, 88.0)]), Some(8192));
//! ```

/// The average that a length counts with: what Llama2-7B has at 4K.
pub const EFFECTIVE_SCORE: f64 = 85.6;

/// The longest length whose average over tasks is at least [`EFFECTIVE_SCORE`], as are those of all
/// shorter ones that were measured. None where the shortest one's is not.
///
/// - `averages`: lengths and averages in percent, in any order
pub fn effective_length(averages: &[(usize, f64)]) -> Option<usize> {
    let mut averages = averages.to_vec();
    averages.sort_by_key(|&(length, _)| length);
    let enough = averages.iter().take_while(|(_, average)| *average >= EFFECTIVE_SCORE);
    enough.last().map(|&(length, _)| length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_from_the_shortest_on() {
        assert_eq!(effective_length(&[]), None);
        assert_eq!(effective_length(&[(4096, 85.59)]), None);
        assert_eq!(effective_length(&[(8192, 85.6), (4096, 100.0)]), Some(8192));
        assert_eq!(effective_length(&[(8192, 99.0), (4096, 10.0)]), None);
        assert_eq!(effective_length(&[(4096, f64::NAN), (8192, 99.0)]), None);
    }
}
