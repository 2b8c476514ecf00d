//! A scale bar: which colour stands for which value.

use super::axis::{Axis, Plot};
use super::color::Sequence;
use super::raster;
use super::scale::AxisScale;
use super::svg::{FAINT, Svg};

/// Draws a bar in `[left, top, width, height]`, with its ticks and its label below.
pub(crate) fn draw(svg: &mut Svg, area: [f64; 4], sequence: Sequence, scale: AxisScale, label: &str) {
    let [left, top, width, height] = area;
    svg.image(area, &raster::bar_uri(sequence));
    svg.outline(area, FAINT);
    let axis = Axis { scale, label };
    Plot { left, top, width, height, x: axis, y: axis, y_downwards: false, gap_below: 0.0 }.draw_x(svg);
}
