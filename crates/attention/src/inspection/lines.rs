//! [`LineInspection`]: the mass on columns or diagonals, true and estimated.

/// Columns or diagonals of a head: what lies on each, what the online estimate sees, and what an
/// index chose.
///
/// ```
/// use minference_attention::inspection::LineInspection;
///
/// // Four columns, the sums over 10 queries and over the 2 that vote; the index has chosen columns 0 and 2.
/// let line = LineInspection::new(&[6.0, 3.0, 1.0, 0.0], 10, &[1.0, 0.0, 1.0, 0.0], 2, &[0, 2]);
/// assert_eq!(line.truth, [0.6, 0.3, 0.1, 0.0]);
/// assert_eq!(line.estimate, [0.5, 0.0, 0.5, 0.0]);
/// // The best two would hold 0.9 of the mass; the chosen ones hold 0.7.
/// assert!((line.found.unwrap() - 0.7 / 0.9).abs() < 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LineInspection {
    /// `[keys]`: the mean over all queries of the probability on that key (columns) or at that
    /// distance (diagonals).
    pub truth: Vec<f32>,
    /// `[keys]`: the same by the last queries only, as the online estimate sees it.
    pub estimate: Vec<f32>,
    /// The lines of the index that the prompt has, ascending; none for block indices and dense.
    pub chosen: Vec<u32>,
    /// Of the mass on as many of the truly best lines, the part that the chosen ones hold, 0 to 1.
    /// None where nothing was chosen.
    pub found: Option<f64>,
}

impl LineInspection {
    /// From sums of probabilities, `[keys]`, over all `queries` and over the `voting` ones of the
    /// estimate. Chosen lines beyond the prompt are left out.
    pub fn new(mass: &[f64], queries: usize, estimate: &[f32], voting: usize, chosen: &[u32]) -> Self {
        let chosen: Vec<u32> = chosen.iter().copied().filter(|&line| (line as usize) < mass.len()).collect();
        let held: f64 = chosen.iter().map(|&line| mass[line as usize]).sum();
        let mut ranked = mass.to_vec();
        ranked.sort_unstable_by(|a, b| b.total_cmp(a));
        let best: f64 = ranked[..chosen.len()].iter().sum();
        Self {
            truth: mass.iter().map(|&sum| (sum / queries as f64) as f32).collect(),
            estimate: estimate.iter().map(|&sum| sum / voting as f32).collect(),
            // Sums in another order may differ in their last bits.
            found: (best > 0.0).then(|| (held / best).min(1.0)),
            chosen,
        }
    }
}
