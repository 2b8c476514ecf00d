//! What reports draw with: shapes, axes, colours, figures, and the page around them.

pub(super) mod axis;
pub(super) mod color;
pub(super) mod figure;
pub(super) mod page;
pub(super) mod raster;
pub(super) mod scale;
pub(super) mod scale_bar;
pub(super) mod svg;

/// What is no finite number counts as 0: a figure shows what it can.
pub(super) fn finite(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}
