//! [`AxisScale`]: from values to places on an axis, with ticks and their labels.

use crate::numbers::{count, decimal, duration, percent, signed_percent};

/// How an axis places values between its start (0) and its end (1), and writes them.
#[derive(Clone, Copy)]
pub(crate) enum AxisScale {
    /// Whole numbers up to a value: positions.
    Counts(f64),
    /// Shares from 0 to a value, in percent.
    Shares(f64),
    /// Shares by their logarithm, in percent.
    LogShares {
        /// The smallest; what is less lies there too.
        from: f64,
        /// The largest.
        to: f64,
    },
    /// Cells that are numbered from 0.
    Cells(usize),
    /// Whole numbers by their logarithm: lengths.
    LogCounts {
        /// The smallest.
        from: f64,
        /// The largest.
        to: f64,
    },
    /// Times by their logarithm.
    LogSeconds {
        /// The smallest.
        from: f64,
        /// The largest.
        to: f64,
    },
    /// Numbers that need not begin at 0.
    Numbers {
        /// The smallest.
        from: f64,
        /// The largest.
        to: f64,
    },
    /// Differences of shares, from minus to plus a value, in percent.
    Differences(f64),
}

impl AxisScale {
    /// The place of a value, 0 to 1: what lies beyond is moved to the end, and what is no number to
    /// the start.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let place = match *self {
            Self::Counts(to) | Self::Shares(to) => value / to,
            Self::LogShares { from, to } | Self::LogCounts { from, to } | Self::LogSeconds { from, to } => {
                (value.max(from) / from).ln() / (to / from).ln()
            }
            Self::Numbers { from, to } => (value - from) / (to - from),
            Self::Differences(to) => 0.5 + 0.5 * value / to,
            Self::Cells(cells) => (value + 0.5) / cells as f64,
        };
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// At most about `most` values with their labels.
    pub(crate) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let steps = |to: f64, step: f64| {
            let last = (to / step * (1.0 + 1e-9)).floor();
            (0..=if last.is_finite() { last as usize } else { 0 }).map(move |i| i as f64 * step)
        };
        match *self {
            Self::Counts(to) => {
                steps(to, nice_step(to, most).max(1.0)).map(|x| (x, count(x as usize))).collect()
            }
            Self::Shares(to) => steps(to, nice_step(to, most)).map(|x| (x, percent(x))).collect(),
            Self::LogShares { from, to } => {
                let (first, last) = (from.log10().round() as i32, to.log10().round() as i32);
                let step = (last - first).max(1).unsigned_abs().div_ceil(most.max(1) as u32) as usize;
                let powers = (first..=last).rev().step_by(step).map(|power| 10.0f64.powi(power));
                powers.map(|x| (x, percent(x))).collect()
            }
            Self::LogCounts { from, to } => {
                log_steps(from, to, most).map(|x| (x, count(x.round() as usize))).collect()
            }
            Self::LogSeconds { from, to } => {
                log_steps(from, to, most).map(|x| (x, round_duration(x))).collect()
            }
            // neither a range, nor a number
            Self::Numbers { from, to } if to.partial_cmp(&from) != Some(std::cmp::Ordering::Greater) => {
                Vec::new()
            }
            Self::Numbers { from, to } => {
                let step = nice_step(to - from, most);
                let (first, last) = ((from / step).ceil(), (to / step * (1.0 + 1e-9)).floor());
                let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
                let number = (last - first).clamp(0.0, 100.0) as usize;
                let values = (0..=number).map(|i| (first + i as f64) * step);
                values.map(|x| (x, decimal(x, decimals))).collect()
            }
            Self::Differences(to) => {
                let step = nice_step(to, (most / 2).max(3));
                let last = (to / step * (1.0 + 1e-9)).floor().clamp(0.0, 100.0) as i32;
                let values = (-last..=last).map(|i| f64::from(i) * step);
                values.map(|x| (x, if x == 0.0 { "0%".into() } else { signed_percent(x) })).collect()
            }
            Self::Cells(cells) => {
                let step = nice_step(cells as f64, most).max(1.0);
                let numbers = steps(cells.saturating_sub(1) as f64, step);
                numbers.map(|x| (x, count(x as usize))).collect()
            }
        }
    }
}

/// The smallest of 1, 2, 5, 10, 20, ... that cuts `extent` into at most `most` steps.
fn nice_step(extent: f64, most: usize) -> f64 {
    let rough = (extent / most.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10.0f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// 1, 2, 5, 10, 20, ... within a range; powers of ten, or some of them, where these are too many.
fn log_steps(from: f64, to: f64, most: usize) -> impl Iterator<Item = f64> {
    let is_range = from > 0.0 && from.is_finite() && to.is_finite();
    let powers = if is_range { from.log10().floor() as i32..to.log10().ceil() as i32 + 1 } else { 0..0 };
    let within = move |x: &f64| *x >= from * (1.0 - 1e-9) && *x <= to * (1.0 + 1e-9);
    let steps = |factors: &[f64]| -> Vec<f64> {
        let steps = powers.clone().flat_map(|power| factors.iter().map(move |f| f * 10.0f64.powi(power)));
        steps.filter(within).collect()
    };
    let fine = steps(&[1.0, 2.0, 5.0]);
    let found = if fine.len() <= most.max(2) { fine } else { steps(&[1.0]) };
    let stride = found.len().div_ceil(most.max(2)).max(1);
    found.into_iter().step_by(stride)
}

/// A time that is a round number, without its zeros.
fn round_duration(seconds: f64) -> String {
    let text = duration(seconds);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: AxisScale, most: usize) -> Vec<String> {
        scale.ticks(most).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(AxisScale::Counts(8192.0), 5), ["0", "2,000", "4,000", "6,000", "8,000"]);
        assert_eq!(labels(AxisScale::Shares(1.0), 5), ["0%", "20%", "40%", "60%", "80%", "100%"]);
        assert_eq!(labels(AxisScale::Shares(0.031), 4), ["0%", "1%", "2%", "3%"]);
        assert_eq!(
            labels(AxisScale::LogShares { from: 1e-4, to: 1.0 }, 5),
            ["100%", "10%", "1%", "0.1%", "0.01%"]
        );
        let lengths = AxisScale::LogCounts { from: 4000.0, to: 40_000.0 };
        assert_eq!(labels(lengths, 5), ["5,000", "10,000", "20,000"]);
        assert_eq!(
            labels(AxisScale::LogCounts { from: 1.0, to: 1e6 }, 4),
            ["1", "100", "10,000", "1,000,000"]
        );
        assert_eq!(
            labels(AxisScale::LogSeconds { from: 0.04, to: 3.0 }, 9),
            ["50 ms", "100 ms", "200 ms", "500 ms", "1 s", "2 s"]
        );
        assert_eq!(
            labels(AxisScale::Numbers { from: 9.83, to: 12.1 }, 5),
            ["10.0", "10.5", "11.0", "11.5", "12.0"]
        );
        assert_eq!(labels(AxisScale::Differences(0.25), 5), ["-20%", "-10%", "0%", "+10%", "+20%"]);
        assert_eq!(labels(AxisScale::LogShares { from: 1e-4, to: 1.0 }, 2), ["100%", "1%", "0.01%"]);
        assert_eq!(labels(AxisScale::Cells(9), 20), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(labels(AxisScale::Cells(1), 3), ["0"]);
    }

    #[test]
    fn no_value_breaks_a_scale() {
        for scale in [
            AxisScale::Counts(0.0),
            AxisScale::Shares(0.0),
            AxisScale::Shares(f64::NAN),
            AxisScale::LogShares { from: 1e-3, to: 1.0 },
            AxisScale::Cells(0),
            AxisScale::LogCounts { from: 0.0, to: 0.0 },
            AxisScale::LogCounts { from: f64::NAN, to: 1.0 },
            AxisScale::LogSeconds { from: 1.0, to: f64::INFINITY },
            AxisScale::Numbers { from: 1.0, to: 1.0 },
            AxisScale::Numbers { from: f64::NAN, to: f64::NAN },
            AxisScale::Differences(0.0),
        ] {
            assert!(scale.ticks(5).len() < 20);
            for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 3.0] {
                assert!((0.0..=1.0).contains(&scale.at(value)));
            }
        }
    }
}
