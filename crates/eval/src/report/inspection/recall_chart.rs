//! One head: how much of each query's probability mass the computed keys hold.

use super::InspectedHead;
use crate::numbers::percent;
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::figure::{Figure, LEFT, RIGHT, WIDTH};
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Svg, number};

const TOP: f64 = 50.0;
const HEIGHT: f64 = 150.0;

pub(super) fn figure(head: &InspectedHead) -> Figure {
    let inspection = &head.inspection;
    let title = format!("{}: recall by query, {} on average", head.label(), percent(inspection.recall));
    let plot = Plot {
        left: LEFT,
        top: TOP,
        width: RIGHT - LEFT,
        height: HEIGHT,
        x: Axis { scale: AxisScale::Counts(head.keys() as f64), label: "query position" },
        y: Axis { scale: AxisScale::Shares(1.0), label: "mass held" },
        y_downwards: false,
        gap_below: 0.0,
    };
    let mut svg = Svg::titled(WIDTH, TOP + HEIGHT + 48.0, &title);
    plot.draw_grid(&mut svg);

    let cells = inspection.recall_by_cell.len().max(1);
    let left_of = |cell: usize| number(plot.left + plot.width * cell as f64 / cells as f64);
    // Steps; a cell without queries (NaN) interrupts them.
    let (mut steps, mut is_drawing) = (String::new(), false);
    for (cell, &recall) in inspection.recall_by_cell.iter().enumerate() {
        if recall.is_nan() {
            is_drawing = false;
            continue;
        }
        let y = number(plot.y(f64::from(recall)));
        if !is_drawing {
            steps += &format!("M{} {y}", left_of(cell));
        }
        steps += &format!("V{y}H{}", left_of(cell + 1));
        is_drawing = true;
    }
    svg.stroke(&steps, "#0072b2", 2.0);
    plot.draw(&mut svg);
    Figure {
        name: format!("{}-recall", head.file_stem()),
        caption: "Recall is the part of a query's probability mass that lies on computed keys: 100% is what dense attention has. \
                  A fall towards the right means that the budget is too small for a prompt of this length; a dip is a passage whose \
                  queries look elsewhere than the rest."
            .into(),
        svg: svg.finish(&title),
        title,
    }
}
