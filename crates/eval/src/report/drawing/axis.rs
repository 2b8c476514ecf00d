//! Axes: from values to places, with ticks and labels. Every figure draws its axes here.

use super::svg::{Anchor, FAINT, INK, Svg};

/// Size of tick labels.
const TICK_SIZE: f64 = 11.0;
/// Size of axis labels.
const LABEL_SIZE: f64 = 12.0;

/// How an axis places values between its start (0) and its end (1), and writes them.
#[derive(Clone, Copy)]
pub(crate) enum Scale {
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
}

/// One axis.
#[derive(Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub(crate) scale: Scale,
    pub(crate) label: &'a str,
}

/// A rectangle with an axis below and one at its left.
#[derive(Clone, Copy)]
pub(crate) struct Plot<'a> {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
    /// Whether y begins at the top, as the rows of a matrix do.
    pub(crate) y_downwards: bool,
    /// Room between the frame and the axis below it.
    pub(crate) gap_below: f64,
}

/// A share in percent, with as few digits as tell it.
pub(crate) fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "-".into();
    }
    let value = share * 100.0;
    let text = match value.abs() {
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 1e-5 => {
            // two digits that count
            format!("{value:.*}", (1.0 - size.log10().floor()) as usize)
        }
        _ => "0".into(),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// A whole number with commas between its thousands.
pub(crate) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The smallest of 1, 2, 5, 10, 20, ... that cuts `extent` into at most `most` steps.
fn nice_step(extent: f64, most: usize) -> f64 {
    let rough = (extent / most.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10.0f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

impl Scale {
    /// The place of a value, 0 to 1: what lies beyond is moved to the end, and what is no number to the start.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let place = match *self {
            Self::Counts(to) | Self::Shares(to) => value / to,
            Self::LogShares { from, to } => (value.max(from) / from).ln() / (to / from).ln(),
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
            Self::Cells(cells) => {
                let step = nice_step(cells as f64, most).max(1.0);
                let numbers = steps(cells.saturating_sub(1) as f64, step);
                numbers.map(|x| (x, count(x as usize))).collect()
            }
        }
    }
}

impl Plot<'_> {
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.left + self.width * self.x.scale.at(value)
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        let place = self.y.scale.at(value);
        self.top + self.height * if self.y_downwards { place } else { 1.0 - place }
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Faint lines at the ticks of y, to be drawn below the data.
    pub(crate) fn draw_grid(&self, svg: &mut Svg) {
        for (value, _) in self.y.scale.ticks(self.y_ticks()) {
            let y = self.y(value);
            svg.line((self.left, y), (self.left + self.width, y), "#e8e8e8");
        }
    }

    /// How many labels have room beside each other; those of cells are short.
    fn y_ticks(&self) -> usize {
        let room = if let Scale::Cells(_) = self.y.scale { 18.0 } else { 30.0 };
        ((self.height / room) as usize).max(1)
    }

    /// The frame with both axes.
    pub(crate) fn draw(&self, svg: &mut Svg) {
        svg.outline([self.left, self.top, self.width, self.height], FAINT);
        self.draw_x(svg);
        let ticks = self.y.scale.ticks(self.y_ticks());
        for (value, label) in &ticks {
            let y = self.y(*value);
            svg.line((self.left - 4.0, y), (self.left, y), FAINT);
            svg.text((self.left - 7.0, y + 4.0), TICK_SIZE, Anchor::End, INK, label);
        }
        // A digit is about 6 pixels wide.
        let longest = ticks.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
        let middle = (self.left - 17.0 - 6.0 * longest as f64, self.top + self.height / 2.0);
        svg.text_upwards(middle, LABEL_SIZE, Anchor::Middle, INK, self.y.label);
    }

    /// The axis below alone, as a scale bar has it.
    pub(crate) fn draw_x(&self, svg: &mut Svg) {
        let y = self.bottom() + self.gap_below;
        let room = if let Scale::Cells(_) = self.x.scale { 24.0 } else { 55.0 };
        for (value, label) in self.x.scale.ticks(((self.width / room) as usize).max(1)) {
            let x = self.x(value);
            svg.line((x, y), (x, y + 4.0), FAINT);
            svg.text((x, y + 16.0), TICK_SIZE, Anchor::Middle, INK, &label);
        }
        let middle = (self.left + self.width / 2.0, y + 33.0);
        svg.text(middle, LABEL_SIZE, Anchor::Middle, INK, self.x.label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, most: usize) -> Vec<String> {
        scale.ticks(most).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(Scale::Counts(8192.0), 5), ["0", "2,000", "4,000", "6,000", "8,000"]);
        assert_eq!(labels(Scale::Shares(1.0), 5), ["0%", "20%", "40%", "60%", "80%", "100%"]);
        assert_eq!(labels(Scale::Shares(0.031), 4), ["0%", "1%", "2%", "3%"]);
        assert_eq!(
            labels(Scale::LogShares { from: 1e-4, to: 1.0 }, 5),
            ["100%", "10%", "1%", "0.1%", "0.01%"]
        );
        assert_eq!(labels(Scale::LogShares { from: 1e-4, to: 1.0 }, 2), ["100%", "1%", "0.01%"]);
        assert_eq!(labels(Scale::Cells(9), 20), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(labels(Scale::Cells(1), 3), ["0"]);
    }

    #[test]
    fn no_value_breaks_a_scale() {
        for scale in [
            Scale::Counts(0.0),
            Scale::Shares(0.0),
            Scale::Shares(f64::NAN),
            Scale::LogShares { from: 1e-3, to: 1.0 },
            Scale::Cells(0),
        ] {
            assert!(scale.ticks(5).len() < 20);
            for value in [0.0, -1.0, f64::NAN, f64::INFINITY, 3.0] {
                assert!((0.0..=1.0).contains(&scale.at(value)));
            }
        }
    }

    #[test]
    fn shares_are_written_in_percent() {
        assert_eq!(
            [1.0, 0.123, 0.01234, 0.000_123, 0.0].map(percent),
            ["100%", "12.3%", "1.23%", "0.012%", "0%"]
        );
        assert_eq!(percent(f64::NAN), "-");
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
