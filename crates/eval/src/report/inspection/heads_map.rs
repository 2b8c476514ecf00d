//! All heads of a model: their patterns, what was computed of them, and how far their outputs are
//! from dense attention's.

use super::{HeadSummary, InspectionReport};
use crate::numbers::percent;
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::color::{self, BLUES, HEAT, Sequence};
use crate::report::drawing::figure::{Figure, WIDTH};
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, INK, Svg};
use crate::report::drawing::{finite, raster, scale_bar};
use minference_attention::HeadPattern;

const TOP: f64 = 78.0;
const LEFT: f64 = 62.0;
/// From one map to the next.
const PANEL: f64 = 322.0;
/// The widest map.
const MAP_WIDTH: f64 = 240.0;
/// The highest map, and the lowest where there are few layers.
const MAP_HEIGHT: (f64, f64) = (480.0, 60.0);

pub(super) fn figure(report: &InspectionReport) -> Option<Figure> {
    let layers = report.layers.len();
    let heads = report.layers.iter().map(|layer| layer.heads.len()).max().filter(|&heads| heads > 0)?;
    let cell_height = (MAP_HEIGHT.0 / layers as f64).min(16.0);
    let cell_width = (MAP_WIDTH / heads as f64).min(20.0);
    let plot = Plot {
        left: LEFT,
        top: TOP,
        width: cell_width * heads as f64,
        height: cell_height * layers as f64,
        x: Axis { scale: AxisScale::Cells(heads), label: "head" },
        y: Axis { scale: AxisScale::Cells(layers), label: "layer" },
        y_downwards: true,
        gap_below: 0.0,
    };
    let below = plot.top + plot.height.max(MAP_HEIGHT.1) + 58.0;
    let kinds = kinds(report);
    let marks_dense = report.layers.iter().flat_map(|layer| &layer.heads).any(gave_up);
    let legend_lines = kinds.len() + usize::from(marks_dense);
    let title = "All layers and heads";
    let mut svg = Svg::titled(WIDTH, below + (20.0 * legend_lines as f64).max(56.0) + 8.0, title);

    draw_map(&mut svg, &plot, "Pattern", report, |head| color::of_pattern(head.pattern).into());
    draw_marks(&mut svg, &plot, report);
    draw_legend(&mut svg, (plot.left, below), &kinds, marks_dense);

    let share = AxisScale::Shares(1.0);
    let second = Plot { left: LEFT + PANEL, ..plot };
    let fill = |head: &HeadSummary| color::hex(raster::color(BLUES, share, finite(head.computed_share)));
    draw_map(&mut svg, &second, "Computed share", report, fill);
    draw_bar(&mut svg, (second.left, below), BLUES, share, "of all causal pairs");

    let largest = report.layers.iter().flat_map(|layer| &layer.heads).map(|head| finite(head.error));
    let error = AxisScale::Shares(largest.fold(0.0, f64::max).max(1e-6));
    let third = Plot { left: LEFT + 2.0 * PANEL, ..plot };
    let fill = |head: &HeadSummary| color::hex(raster::color(HEAT, error, finite(head.error)));
    draw_map(&mut svg, &third, "Error of the output", report, fill);
    draw_bar(&mut svg, (third.left, below), HEAT, error, "relative to dense attention");
    Some(Figure {
        name: "layers-and-heads".into(),
        title: title.into(),
        caption: "Each square is one attention head; point at it for its numbers. A head does well if it is pale in the middle map and \
                  in the right one: little was computed, and the output is still close to dense attention's; a dark square at the \
                  right is a head whose pattern or budget does not suit this prompt."
            .into(),
        svg: svg.finish(title),
    })
}

/// Whether a head ran dense although its pattern is sparse.
fn gave_up(head: &HeadSummary) -> bool {
    head.ran_dense && head.pattern != HeadPattern::Dense
}

/// One pattern of each kind that occurs, in the order of [`HeadPattern`]'s kinds.
fn kinds(report: &InspectionReport) -> Vec<HeadPattern> {
    let mut kinds: Vec<HeadPattern> = Vec::new();
    for head in report.layers.iter().flat_map(|layer| &layer.heads) {
        if kinds.iter().all(|kind| kind.name() != head.pattern.name()) {
            kinds.push(head.pattern);
        }
    }
    kinds.sort_by_key(HeadPattern::name);
    kinds
}

/// Left, top, width and height of a head's cell.
fn cell(plot: &Plot<'_>, layer: usize, head: usize) -> [f64; 4] {
    let (AxisScale::Cells(columns), AxisScale::Cells(rows)) = (plot.x.scale, plot.y.scale) else {
        return [0.0; 4];
    };
    let (width, height) = (plot.width / columns as f64, plot.height / rows as f64);
    [plot.left + width * head as f64, plot.top + height * layer as f64, width, height]
}

fn draw_map(
    svg: &mut Svg,
    plot: &Plot<'_>,
    title: &str,
    report: &InspectionReport,
    fill: impl Fn(&HeadSummary) -> String,
) {
    svg.text((plot.left, plot.top - 12.0), 13.0, Anchor::Start, INK, title);
    for (layer, summary) in report.layers.iter().enumerate() {
        for (number, head) in summary.heads.iter().enumerate() {
            let dense = if gave_up(head) { ", ran dense" } else { "" };
            let (share, error) = (percent(head.computed_share), percent(head.error));
            let pattern = head.pattern;
            let tip =
                format!("layer {layer}, head {number}: {pattern}{dense}, computed {share}, error {error}");
            // A thin white gap, so that neighbours of one colour stay separate.
            let [x, y, width, height] = cell(plot, layer, number);
            let gap = 0.08 * width.min(height);
            svg.rect([x, y, width - gap, height - gap], &fill(head), Some(&tip));
        }
    }
    plot.draw(svg);
}

/// White middles on heads that ran dense although their pattern is sparse.
fn draw_marks(svg: &mut Svg, plot: &Plot<'_>, report: &InspectionReport) {
    for (layer, summary) in report.layers.iter().enumerate() {
        for (number, _) in summary.heads.iter().enumerate().filter(|(_, head)| gave_up(head)) {
            mark(svg, cell(plot, layer, number));
        }
    }
}

fn mark(svg: &mut Svg, [x, y, width, height]: [f64; 4]) {
    let side = 0.4 * width.min(height);
    svg.rect([x + (width - side) / 2.0, y + (height - side) / 2.0, side, side], "#ffffff", None);
}

fn draw_legend(svg: &mut Svg, (x, y): (f64, f64), kinds: &[HeadPattern], marks_dense: bool) {
    let mut line = y;
    let mut entry = |svg: &mut Svg, fill: &str, is_marked: bool, text: &str| {
        svg.rect([x, line, 12.0, 12.0], fill, None);
        if is_marked {
            mark(svg, [x, line, 12.0, 12.0]);
        }
        svg.text((x + 19.0, line + 10.5), 12.0, Anchor::Start, INK, text);
        line += 20.0;
    };
    for &kind in kinds {
        entry(svg, color::of_pattern(kind), false, kind.name());
    }
    if marks_dense {
        entry(svg, "#555555", true, "white middle: ran dense, as sparse would not pay");
    }
}

fn draw_bar(svg: &mut Svg, (left, top): (f64, f64), sequence: Sequence, scale: AxisScale, label: &str) {
    scale_bar::draw(svg, [left, top, MAP_WIDTH, 12.0], sequence, scale, label);
}
