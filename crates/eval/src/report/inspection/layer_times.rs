//! All layers: on what they spent their time.

use super::{InspectionReport, LayerTimes};
use crate::numbers::percent;
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::color::PARTS;
use crate::report::drawing::figure::{Figure, LEFT, RIGHT, WIDTH};
use crate::report::drawing::finite;
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, INK, Svg};

const TOP: f64 = 84.0;
const HEIGHT: f64 = 200.0;
const NAMES: [&str; 4] = ["projections", "estimates", "attention", "MLP"];

fn parts(times: &LayerTimes) -> [f64; 4] {
    [times.projections, times.estimates, times.attention, times.mlp].map(finite)
}

pub(super) fn figure(report: &InspectionReport) -> Option<Figure> {
    let layers = report.layers.len();
    if layers == 0 {
        return None;
    }
    let title = "Time by layer";
    let mut svg = Svg::titled(WIDTH, TOP + HEIGHT + 48.0, title);
    let totals = report.layers.iter().map(|layer| parts(&layer.times));
    let totals = totals.fold([0.0; 4], |sum, parts| std::array::from_fn(|i| sum[i] + parts[i]));
    let all: f64 = totals.iter().sum();
    for (place, ((name, fill), total)) in NAMES.into_iter().zip(PARTS).zip(totals).enumerate() {
        let x = LEFT + 220.0 * place as f64;
        svg.rect([x, 48.0, 12.0, 12.0], fill, None);
        let share = percent(if all > 0.0 { total / all } else { 0.0 });
        svg.text((x + 19.0, 58.5), 12.0, Anchor::Start, INK, &format!("{name}, {total:.2} s ({share})"));
    }
    let plot = Plot {
        left: LEFT,
        top: TOP,
        width: (RIGHT - LEFT).min(60.0 * layers as f64),
        height: HEIGHT,
        x: Axis { scale: AxisScale::Cells(layers), label: "layer" },
        y: Axis { scale: AxisScale::Shares(1.0), label: "share of the layer's time" },
        y_downwards: false,
        gap_below: 0.0,
    };
    let cell = plot.width / layers as f64;
    for (layer, summary) in report.layers.iter().enumerate() {
        let parts = parts(&summary.times);
        let sum: f64 = parts.iter().sum();
        let mut below = 0.0;
        for ((name, fill), seconds) in NAMES.into_iter().zip(PARTS).zip(parts) {
            let share = if sum > 0.0 { seconds / sum } else { 0.0 };
            let (bottom, top) = (plot.y(below), plot.y(below + share));
            below += share;
            let tip = format!("layer {layer}, {name}: {seconds:.3} s, {}", percent(share));
            let left = plot.left + cell * layer as f64;
            svg.rect([left + 0.08 * cell, top, 0.84 * cell, bottom - top], fill, Some(&tip));
        }
    }
    plot.draw(&mut svg);
    Some(Figure {
        name: "layer-times".into(),
        title: title.into(),
        caption: "The orange part is the attention that patterns make cheaper, and the yellow one is what choosing columns, diagonals \
                  and blocks costs. Where orange is small already, sparser patterns can't make this prompt much faster."
            .into(),
        svg: svg.finish(title),
    })
}
