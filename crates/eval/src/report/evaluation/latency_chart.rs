//! Times to the first token by length.

use super::lines::{self, Point, lengths_scale};
use super::styles::{Legend, Styles};
use crate::numbers::count;
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::figure::{Figure, LEFT, RIGHT, WIDTH};
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::Svg;
use crate::summary::{LatencyRow, LatencySummary};

const HEIGHT: f64 = 320.0;

/// None with fewer than two lengths, or without any times.
pub(super) fn figure(name: String, title: &str, summary: &LatencySummary, styles: &Styles) -> Option<Figure> {
    let times =
        summary.rows.iter().map(|row| row.seconds.total).filter(|time| time.is_finite() && *time > 0.0);
    let (low, high) = times.fold((f64::MAX, 0.0f64), |(low, high), time| (low.min(time), high.max(time)));
    let mut lengths: Vec<f64> = summary.rows.iter().map(|row| row.length as f64).collect();
    lengths.dedup();
    if high <= 0.0 || lengths.len() < 2 {
        return None;
    }
    let legend = Legend::new(styles, summary.methods.iter().map(String::as_str), RIGHT - LEFT);
    let plot = Plot {
        left: LEFT,
        top: 50.0 + legend.height + 8.0,
        width: RIGHT - LEFT,
        height: HEIGHT,
        x: Axis {
            scale: lengths_scale(summary.rows.iter().map(|row| row.length)),
            label: "tokens of the prompt, logarithmic",
        },
        y: Axis {
            scale: AxisScale::LogSeconds { from: low / 1.3, to: (high * 1.3).max(low * 4.0) },
            label: "time to the first token, logarithmic",
        },
        y_downwards: false,
        gap_below: 0.0,
    };
    let mut svg = Svg::titled(WIDTH, plot.bottom() + 48.0, title);
    legend.draw(&mut svg, LEFT, 46.0);
    plot.draw_grid(&mut svg);
    plot.draw_with_ticks(&mut svg, &lengths, |length| count(length as usize));
    for method in &summary.methods {
        let of_method = summary.rows.iter().filter(|row| row.method == *method && row.seconds.total > 0.0);
        let points: Vec<Point> = of_method
            .map(|row| Point {
                is_measured: !row.is_extrapolated(),
                ..Point::new(row.length as f64, row.seconds.total)
            })
            .collect();
        lines::draw(&mut svg, &plot, styles.of(method), &points, 0.0);
    }
    let mut caption = String::from(
        "Both axes are logarithmic: the steeper a line, the faster its time grows with the length. The gap \
         between dense attention and a method is its speed-up; it should open to the right.",
    );
    if summary.rows.iter().any(LatencyRow::is_extrapolated) {
        caption += " Hollow marks on dashed lines were not measured but extrapolated from shorter prompts.";
    }
    Some(Figure { name, caption, svg: svg.finish(title), title: title.into() })
}
