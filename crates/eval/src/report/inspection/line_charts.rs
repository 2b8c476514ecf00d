//! One head: the mass on its columns and diagonals, the estimate of it, and which of them were
//! chosen.

use super::InspectedHead;
use super::attention_maps::least_power;
use crate::numbers::{count, percent};
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::figure::{Figure, LEFT, RIGHT, WIDTH};
use crate::report::drawing::finite;
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, INK, Svg, number};
use minference_attention::HeadPattern;
use minference_attention::inspection::LineInspection;

/// At most so many bins; each shows its largest value.
const BINS: usize = 500;
const TRUTH: &str = "#a9c9e8";
const ESTIMATE: &str = "#d55e00";
const CHOSEN: &str = "#222222";
const TOP: f64 = 92.0;
const HEIGHT: f64 = 190.0;
/// From one chart to the next.
const STEP: f64 = 308.0;
/// The strip of chosen lines: its distance from the chart, and its height.
const STRIP: (f64, f64) = (5.0, 9.0);

pub(super) fn figure(head: &InspectedHead) -> Figure {
    let inspection = &head.inspection;
    let title = format!("{}: columns and diagonals", head.label());
    let mut svg = Svg::titled(WIDTH, TOP + STEP + HEIGHT + 66.0, &title);
    draw_legend(&mut svg);
    draw_chart(&mut svg, TOP, "Columns", "key position", &inspection.columns);
    draw_chart(&mut svg, TOP + STEP, "Diagonals", "distance from query back to key", &inspection.diagonals);
    Figure {
        name: format!("{}-lines", head.file_stem()),
        caption: caption(head).into(),
        svg: svg.finish(&title),
        title,
    }
}

fn caption(head: &InspectedHead) -> &'static str {
    let inspection = &head.inspection;
    if inspection.columns.chosen.is_empty() && inspection.diagonals.chosen.is_empty() {
        // dense, or blocks
        return "No columns or diagonals were chosen for this head. A few steep blue hills, with orange marks on them, would speak for \
                vertical-slash; an even landscape does not.";
    }
    if let HeadPattern::AShape { .. } | HeadPattern::TriShape { .. } = head.summary.pattern {
        return "This pattern takes the first tokens and the nearest ones on every prompt, the black strips. Blue hills elsewhere are \
                what it misses; were there many, vertical-slash, which follows the orange marks, would suit the head better.";
    }
    "Where the orange marks follow the blue hills, the last 64 queries foresee what all queries look at; where they do not, the budget \
     goes to the wrong keys. The black strip below each chart shows the chosen columns or diagonals: it should lie under the highest \
     hills."
}

fn draw_legend(svg: &mut Svg) {
    svg.rect([LEFT, 44.0, 14.0, 12.0], TRUTH, None);
    svg.text((LEFT + 20.0, 54.5), 12.0, Anchor::Start, INK, "mean probability, all queries");
    svg.stroke("M310 50h14", ESTIMATE, 2.5);
    svg.text((330.0, 54.5), 12.0, Anchor::Start, INK, "the same by the last 64 queries (the estimate)");
    svg.rect([620.0, 46.0, 14.0, 8.0], CHOSEN, None);
    svg.text((640.0, 54.5), 12.0, Anchor::Start, INK, "chosen");
}

/// What the head's lines hold, in words.
fn describe(name: &str, line: &LineInspection) -> String {
    let chosen = count(line.chosen.len());
    match line.found {
        Some(found) => {
            let found = percent(found);
            format!("{name}: the {chosen} chosen hold {found} of what the best {chosen} would hold")
        }
        None => format!("{name}: none chosen"),
    }
}

fn draw_chart(svg: &mut Svg, top: f64, name: &str, label: &str, line: &LineInspection) {
    let keys = line.truth.len().max(1);
    let bins = keys.min(BINS);
    let truth = largest_by_bin(&line.truth, bins);
    let estimate = largest_by_bin(&line.estimate, bins);
    let to = truth.iter().chain(&estimate).fold(0.0f64, |a, &b| a.max(b)).max(1e-12).log10().ceil();
    // A decade below equal shares, so that hollows show; and two decades at least.
    let from = (least_power(keys) / 10.0).min(10.0f64.powf(to - 2.0));
    let plot = Plot {
        left: LEFT,
        top,
        width: RIGHT - LEFT,
        height: HEIGHT,
        x: Axis { scale: AxisScale::Counts(keys as f64), label },
        y: Axis {
            scale: AxisScale::LogShares { from, to: 10.0f64.powf(to) },
            label: "probability, logarithmic",
        },
        y_downwards: false,
        gap_below: STRIP.0 + STRIP.1 + 3.0,
    };
    svg.text((plot.left, top - 10.0), 13.0, Anchor::Start, INK, &describe(name, line));
    plot.draw_grid(svg);
    let left_of = |bin: usize| plot.left + plot.width * bin as f64 / bins as f64;

    let mut hills = format!("M{} {}", number(plot.left), number(plot.bottom()));
    for (bin, &value) in truth.iter().enumerate() {
        hills += &format!("V{}H{}", number(plot.y(value)), number(left_of(bin + 1)));
    }
    svg.area(&format!("{hills}V{}Z", number(plot.bottom())), TRUTH);

    let width = number(plot.width / bins as f64);
    let marks = estimate.iter().enumerate().filter(|&(_, &value)| value > from);
    let marks =
        marks.map(|(bin, &value)| format!("M{} {}h{width}", number(left_of(bin)), number(plot.y(value))));
    svg.stroke(&marks.collect::<String>(), ESTIMATE, 2.6);

    let strip = plot.bottom() + STRIP.0;
    svg.rect([plot.left, strip, plot.width, STRIP.1], "#f0f0f0", None);
    for (first, end) in chosen_runs(&line.chosen, keys, bins) {
        svg.rect([left_of(first), strip, left_of(end) - left_of(first), STRIP.1], CHOSEN, None);
    }
    plot.draw(svg);
}

/// The largest value of each bin; what is no number counts as 0.
fn largest_by_bin(values: &[f32], bins: usize) -> Vec<f64> {
    let mut largest = vec![0.0f64; bins];
    for (place, &value) in values.iter().enumerate() {
        let bin = &mut largest[place * bins / values.len()];
        *bin = bin.max(finite(f64::from(value)));
    }
    largest
}

/// Neighbouring bins that hold a chosen line, as ranges.
fn chosen_runs(chosen: &[u32], keys: usize, bins: usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &line in chosen.iter().filter(|&&line| (line as usize) < keys) {
        let bin = line as usize * bins / keys;
        match runs.last_mut() {
            Some((_, end)) if *end >= bin => *end = (*end).max(bin + 1),
            _ => runs.push((bin, bin + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_keep_the_largest_and_runs_join() {
        assert_eq!(largest_by_bin(&[0.0, 3.0, f32::NAN, 1.0, 2.0], 2), [3.0, 2.0]);
        assert_eq!(largest_by_bin(&[], 1), [0.0]);
        assert_eq!(chosen_runs(&[0, 1, 2, 5, 9, 70], 10, 5), [(0, 3), (4, 5)]);
    }
}
