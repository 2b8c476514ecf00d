//! Scores by length, and what was computed for them.

use super::lines::{self, Point, lengths_scale, shift};
use super::styles::{Legend, Styles};
use crate::numbers::count;
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::figure::{Figure, LEFT, WIDTH};
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, INK, Svg};
use crate::summary::{AnswerSummary, Share, TaskAverages};

const HEIGHT: f64 = 250.0;

/// None where lengths were not chosen, where there are none, and for a single one of several tasks,
/// which are better shown by themselves.
pub(super) fn figure(name: String, title: &str, summary: &AnswerSummary, styles: &Styles) -> Option<Figure> {
    let averages = TaskAverages::of(summary);
    let is_single = averages.lengths.len() == 1 && averages.tasks != [1];
    if averages.lengths.is_empty() || is_single || averages.lengths.iter().any(|length| !length.is_single()) {
        return None;
    }
    let lengths: Vec<f64> = averages.lengths.iter().map(|length| length.longest as f64).collect();
    let methods = &averages.methods;
    let legend = Legend::new(styles, methods.iter().map(String::as_str), WIDTH - 2.0 * LEFT);
    let top = 50.0 + legend.height + 30.0;
    let x = Axis {
        scale: lengths_scale(averages.lengths.iter().map(|length| length.longest)),
        label: "length in tokens",
    };
    let y = |label| Axis { scale: AxisScale::Shares(1.0), label };
    let scores = Plot {
        left: LEFT,
        top,
        width: 500.0,
        height: HEIGHT,
        x,
        y: y("score"),
        y_downwards: false,
        gap_below: 0.0,
    };
    let shares = Plot { left: LEFT + 590.0, width: 278.0, y: y("computed share"), ..scores };
    let mut svg = Svg::titled(WIDTH, top + HEIGHT + 48.0, title);
    legend.draw(&mut svg, LEFT, 46.0);
    let most_tasks = averages.tasks.iter().max().copied().unwrap_or(0);
    let what = if most_tasks > 1 { format!("Mean score of {most_tasks} tasks") } else { "Mean score".into() };
    for (plot, title) in [(&scores, what.as_str()), (&shares, "Computed share of attention")] {
        svg.text((plot.left, top - 13.0), 13.0, Anchor::Start, INK, title);
        plot.draw_grid(&mut svg);
        plot.draw_with_ticks(&mut svg, &lengths, |length| count(length as usize));
    }
    for (place, method) in methods.iter().enumerate() {
        let (style, moved) = (styles.of(method), shift(place, methods.len()));
        let points: Vec<Point> = (0..lengths.len())
            .map(|at| {
                let interval =
                    (averages.tasks[at] == 1).then(|| only_score(summary, &averages, at, method)).flatten();
                Point { interval, ..Point::new(lengths[at], averages.scores[at][place]) }
            })
            .collect();
        lines::draw(&mut svg, &scores, style, &points, moved);
        let points: Vec<Point> = (0..lengths.len())
            .map(|at| Point::new(lengths[at], computed(summary, &averages, at, method)))
            .collect();
        lines::draw(&mut svg, &shares, style, &points, 0.5 * moved);
    }
    let caption = "A method keeps the model's ability if its line at the left stays with dense attention's while its line at the right falls: \
                   the same score, with less computed. Marks of one length are moved apart so that all can be seen";
    let bars = if most_tasks == 1 { "; thin bars are 95% intervals." } else { "." };
    Some(Figure { name, caption: format!("{caption}{bars}"), svg: svg.finish(title), title: title.into() })
}

/// The interval of the only task that counts at a length.
fn only_score(
    summary: &AnswerSummary,
    averages: &TaskAverages,
    at: usize,
    method: &str,
) -> Option<(f64, f64)> {
    let groups = summary.groups.iter().filter(|group| group.length == averages.lengths[at]);
    let mut rows =
        groups.flat_map(|group| &group.rows).filter(|row| row.method == method && row.score.number > 0);
    rows.next().map(|row| row.score.interval())
}

/// The mean over a length's tasks.
fn computed(summary: &AnswerSummary, averages: &TaskAverages, at: usize, method: &str) -> f64 {
    let groups = summary.groups.iter().filter(|group| group.length == averages.lengths[at]);
    let rows = groups.flat_map(|group| &group.rows).filter(|row| row.method == method);
    Share::of(rows.map(|row| row.computed_share)).mean
}
