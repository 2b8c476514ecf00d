//! Lines of methods in a chart: marks, their intervals, and what was not measured as dashes.

use super::styles::MethodStyle;
use crate::report::drawing::axis::Plot;
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Svg, number};

/// One value of a method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Where the true value may lie.
    pub(super) interval: Option<(f64, f64)>,
    pub(super) is_measured: bool,
}

impl Point {
    /// What was measured, and has no interval.
    pub(super) fn new(x: f64, y: f64) -> Self {
        Self { x, y, interval: None, is_measured: true }
    }
}

/// Draws a method's points, moved to the right by some pixels so that equal ones don't hide each
/// other. What is no number interrupts the line.
pub(super) fn draw(svg: &mut Svg, plot: &Plot<'_>, style: MethodStyle, points: &[Point], shift: f64) {
    let at = |point: &Point| (plot.x(point.x) + shift, plot.y(point.y));
    for pair in points.windows(2).filter(|pair| pair.iter().all(|point| point.y.is_finite())) {
        let ((x1, y1), (x2, y2)) = (at(&pair[0]), at(&pair[1]));
        let path = format!("M{} {}L{} {}", number(x1), number(y1), number(x2), number(y2));
        if pair.iter().all(|point| point.is_measured) {
            svg.stroke(&path, style.color, 2.0);
        } else {
            svg.dashes(&path, style.color, 1.6);
        }
    }
    for point in points.iter().filter(|point| point.y.is_finite()) {
        let (x, y) = at(point);
        if let Some((low, high)) = point.interval {
            let (low, high) = (number(plot.y(low)), number(plot.y(high)));
            let (left, x) = (number(x - 2.5), number(x));
            svg.stroke(&format!("M{x} {low}V{high}M{left} {low}h5M{left} {high}h5"), style.color, 1.0);
        }
        style.draw_mark(svg, (x, y), !point.is_measured);
    }
}

/// How far a method, one of many, is moved to the right.
pub(super) fn shift(place: usize, methods: usize) -> f64 {
    7.0 * (place as f64 - (methods.saturating_sub(1)) as f64 / 2.0)
}

/// A logarithmic scale over lengths, with some room at both ends.
pub(super) fn lengths_scale(lengths: impl Iterator<Item = usize> + Clone) -> AxisScale {
    let shortest = lengths.clone().min().unwrap_or(1).max(1) as f64;
    let longest = lengths.max().unwrap_or(1).max(1) as f64;
    let room = (longest / shortest).powf(0.1).max(1.12);
    AxisScale::LogCounts { from: shortest / room, to: longest * room }
}
