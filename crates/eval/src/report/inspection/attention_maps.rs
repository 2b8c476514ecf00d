//! One head: where its attention is, and which part of it was computed.

use super::InspectedHead;
use crate::numbers::{count, percent};
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::color::{BLUES, HEAT, NOTHING, Rgb};
use crate::report::drawing::figure::{Figure, LEFT, RIGHT, WIDTH};
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, INK, Svg};
use crate::report::drawing::{raster, scale_bar};

const SIDE: f64 = 386.0;
const TOP: f64 = 78.0;
const LEFTS: [f64; 2] = [LEFT, RIGHT - SIDE];

pub(super) fn figure(head: &InspectedHead) -> Figure {
    let inspection = &head.inspection;
    let keys = head.keys();
    let title = format!("{}: attention and what was computed of it", head.label());
    let mut svg = Svg::titled(WIDTH, TOP + SIDE + 132.0, &title);

    // Paler than the second colour is what gets less than if all keys were equal.
    let probability = AxisScale::LogShares { from: least_power(keys), to: 1.0 };
    let share = AxisScale::Shares(1.0);
    let panels = [
        ("Largest probability", &inspection.attention, HEAT, probability, "probability, logarithmic"),
        ("Computed share", &inspection.computed, BLUES, share, "of a cell's causal pairs"),
    ];
    let positions = AxisScale::Counts(keys as f64);
    for (left, (name, values, sequence, scale, label)) in LEFTS.into_iter().zip(panels) {
        let plot = Plot {
            left,
            top: TOP,
            width: SIDE,
            height: SIDE,
            x: Axis { scale: positions, label: "key position" },
            y: Axis { scale: positions, label: "query position" },
            y_downwards: true,
            gap_below: 0.0,
        };
        svg.text((left, TOP - 12.0), 13.0, Anchor::Start, INK, name);
        let color = |value| raster::color(sequence, scale, value);
        svg.image([left, TOP, SIDE, SIDE], &map_uri(head, values, color));
        plot.draw(&mut svg);
        scale_bar::draw(&mut svg, [left, TOP + SIDE + 58.0, SIDE, 12.0], sequence, scale, label);
    }
    let cell = keys.div_ceil(inspection.side.max(1));
    Figure {
        name: format!("{}-attention", head.file_stem()),
        caption: format!(
            "Left, where the head looks: dark uprights are keys that all queries look at, dark slopes are fixed distances \
             (a cell of {} x {} tokens shows its largest probability). Right, what was computed: whatever is dark at the left \
             should be blue here; it holds {} of the probability mass.",
            count(cell),
            count(cell),
            percent(inspection.recall)
        ),
        svg: svg.finish(&title),
        title,
    }
}

/// The power of ten at or below the probability of each of so many keys, were all equal.
pub(super) fn least_power(keys: usize) -> f64 {
    let power = (keys.max(2) as f64).log10().ceil() as i32;
    10.0f64.powi(-power.clamp(2, 12))
}

/// A map as an image; cells without any causal pair are grey.
fn map_uri(head: &InspectedHead, values: &[f32], color: impl Fn(f64) -> Rgb) -> String {
    let inspection = &head.inspection;
    let side = inspection.side;
    let has_queries: Vec<bool> = (0..side)
        .map(|row| inspection.recall_by_cell.get(row).is_some_and(|recall| !recall.is_nan()))
        .collect();
    raster::data_uri(side, side, |x, y| match values.get(y * side + x) {
        Some(&value) if x <= y && has_queries[y] => color(f64::from(value)),
        _ => NOTHING,
    })
}
