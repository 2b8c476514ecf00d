//! [`Share`]: a mean of values from 0 to 1, with how far it can be trusted.

use crate::numbers::percent;
use std::collections::BTreeMap;

/// The share of a normal distribution's mass that lies within so many standard deviations is 95 %.
const DEVIATIONS: f64 = 1.959_963_985;

/// A mean of values from 0 to 1: of scores, or of what is so or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The mean; no number where there are no values.
    pub mean: f64,
    /// Of how many.
    pub number: usize,
    /// As how many independent ones they count: for the interval.
    pub independent: f64,
}

impl Share {
    /// Of values that have nothing to do with each other; those that are no numbers do not count.
    ///
    /// ```
    /// use minference_eval::summary::Share;
    ///
    /// let right = Share::of([1.0, 1.0, 0.0, 1.0].into_iter());
    /// assert_eq!((right.mean, right.number), (0.75, 4));
    /// let (low, high) = right.interval();
    /// assert!(low > 0.3 && high < 0.96); // four questions say little
    /// ```
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let (sum, number) =
            values.filter(|value| value.is_finite()).fold((0.0, 0), |(s, n), v| (s + v, n + 1));
        let mean = if number > 0 { sum / number as f64 } else { f64::NAN };
        Self { mean, number, independent: number as f64 }
    }

    /// Of values with the names of the samples that they come from.
    ///
    /// Questions about one text share it, and what a method chose to read of it: they may well fail
    /// together. How much they do can't be estimated from few texts, least of all where nothing
    /// failed; so values of one sample are taken to be as good as one. For samples of `n1, n2, ...`
    /// values Kish's effective number is then `(n1 + n2 + ...)² / (n1² + n2² + ...)`: with as many
    /// values in each, the number of samples.
    ///
    /// ```
    /// use minference_eval::summary::Share;
    ///
    /// let texts = ["a", "a", "a", "b", "b", "b"];
    /// let right = Share::of_samples(texts.into_iter().map(|text| (text, 1.0)));
    /// assert_eq!((right.number, right.independent), (6, 2.0));
    /// assert_eq!(right.interval(), Share::of([1.0, 1.0].into_iter()).interval());
    /// ```
    pub fn of_samples<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> Self {
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        let values = values.filter(|(_, value)| value.is_finite());
        let share = Self::of(
            values.inspect(|(sample, _)| *sizes.entry(sample).or_default() += 1).map(|(_, value)| value),
        );
        let squares: usize = sizes.values().map(|size| size * size).sum();
        let number = share.number as f64;
        Self { independent: if squares > 0 { number * number / squares as f64 } else { 0.0 }, ..share }
    }

    /// Where the true share lies with 95 % probability (Wilson's interval, for as many values as
    /// are independent). It is rather too wide: for scores between 0 and 1, and where the values of
    /// a sample differ.
    pub fn interval(&self) -> (f64, f64) {
        if self.number == 0 || !self.mean.is_finite() {
            return (f64::NAN, f64::NAN);
        }
        let (n, p) = (self.independent, self.mean.clamp(0.0, 1.0));
        let z2 = DEVIATIONS * DEVIATIONS;
        let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = DEVIATIONS / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0).min(p), (middle + half).min(1.0).max(p))
    }

    /// The mean and its interval, as tables write them.
    pub fn describe(&self) -> String {
        if self.number == 0 {
            return "-".into();
        }
        let (low, high) = self.interval();
        format!("{} ({:.0}-{:.0})", percent(self.mean), 100.0 * low, 100.0 * high)
    }
}

/// The mean of what are numbers, if any are.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    Share::of(values).mean
}

/// The middle one of what are numbers; the mean of the middle two.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length => (values[(length - 1) / 2] + values[length / 2]) / 2.0,
    }
}

/// A quotient, if it is one.
pub(super) fn ratio(dividend: f64, divisor: f64) -> Option<f64> {
    Some(dividend / divisor).filter(|value| value.is_finite() && divisor > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_books() {
        let share = |mean, number| Share { mean, number, independent: number as f64 };
        // 81 of 263, as in Wilson's interval of textbooks: 0.2553 to 0.3662
        let (low, high) = share(81.0 / 263.0, 263).interval();
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        // all right of 100: the true share may still be 96.3 %
        let (low, high) = share(1.0, 100).interval();
        assert!((low - 0.9630).abs() < 1e-4 && high == 1.0, "{low}");
        let (low, high) = share(0.0, 10).interval();
        assert!(low == 0.0 && (high - 0.2775).abs() < 1e-4, "{high}");
        assert_eq!(Share::of([f64::NAN].into_iter()).describe(), "-");
    }

    #[test]
    fn values_of_one_sample_count_as_one() {
        let of = |values: &[(&str, f64)]| Share::of_samples(values.iter().copied());
        // each by itself: nothing changes
        let (alone, values) = (of(&[("a", 1.0), ("b", 0.0), ("c", 1.0)]), [1.0, 0.0, 1.0]);
        assert_eq!(alone, Share::of(values.into_iter()));
        // 20 texts of five questions, all right: the textbook's 83.9 % for 20, not 96.3 % for 100
        let names: Vec<String> = (0..100).map(|question| (question / 5).to_string()).collect();
        let all = Share::of_samples(names.iter().map(|name| (name.as_str(), 1.0)));
        assert_eq!((all.number, all.independent), (100, 20.0));
        assert_eq!(all.describe(), "100% (84-100)");
        // 3 and 1: 16 / 10; what is no number counts neither here nor there
        let uneven = of(&[("a", 1.0), ("a", 1.0), ("a", 0.0), ("b", 1.0), ("b", f64::NAN)]);
        assert_eq!((uneven.mean, uneven.number, uneven.independent), (0.75, 4, 1.6));
        assert_eq!(of(&[]).describe(), "-");
    }

    #[test]
    fn medians_and_means_of_what_are_numbers() {
        assert_eq!(median([3.0, f64::NAN, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
        assert_eq!(mean([1.0, f64::NAN, 2.0].into_iter()), 1.5);
        assert_eq!((ratio(3.0, 2.0), ratio(1.0, 0.0), ratio(0.0, 0.0)), (Some(1.5), None, None));
    }
}
