//! Axes with their ticks and labels. Every figure draws its axes here.

use super::scale::AxisScale;
use super::svg::{Anchor, FAINT, INK, Svg};

/// Size of tick labels.
const TICK_SIZE: f64 = 11.0;
/// About the width of a digit of these.
const DIGIT_WIDTH: f64 = 6.0;
/// Size of axis labels.
const LABEL_SIZE: f64 = 12.0;

/// One axis.
#[derive(Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub(crate) scale: AxisScale,
    pub(crate) label: &'a str,
}

/// A rectangle with an axis below and one at its left.
#[derive(Clone, Copy)]
pub(crate) struct Plot<'a> {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
    /// Whether y begins at the top, as the rows of a matrix do.
    pub(crate) y_downwards: bool,
    /// Room between the frame and the axis below it.
    pub(crate) gap_below: f64,
}

impl Plot<'_> {
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.left + self.width * self.x.scale.at(value)
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        let place = self.y.scale.at(value);
        self.top + self.height * if self.y_downwards { place } else { 1.0 - place }
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Faint lines at the ticks of y, to be drawn below the data.
    pub(crate) fn draw_grid(&self, svg: &mut Svg) {
        for (value, _) in self.y.scale.ticks(self.y_ticks()) {
            let y = self.y(value);
            svg.line((self.left, y), (self.left + self.width, y), "#e8e8e8");
        }
    }

    /// How many labels have room beside each other; those of cells are short.
    fn y_ticks(&self) -> usize {
        let room = if let AxisScale::Cells(_) = self.y.scale { 18.0 } else { 30.0 };
        ((self.height / room) as usize).max(1)
    }

    /// The frame with both axes.
    pub(crate) fn draw(&self, svg: &mut Svg) {
        svg.outline([self.left, self.top, self.width, self.height], FAINT);
        self.draw_x(svg);
        self.draw_y(svg);
    }

    /// The same with ticks at some values of x, as far as there is room for their labels.
    pub(crate) fn draw_with_ticks(&self, svg: &mut Svg, values: &[f64], label: impl Fn(f64) -> String) {
        svg.outline([self.left, self.top, self.width, self.height], FAINT);
        let mut ticks: Vec<(f64, String)> = Vec::new();
        let mut free = f64::NEG_INFINITY;
        for &value in values {
            let text = label(value);
            let half = DIGIT_WIDTH * text.len() as f64 / 2.0;
            if self.x(value) - half >= free {
                free = self.x(value) + half + DIGIT_WIDTH;
                ticks.push((value, text));
            }
        }
        self.draw_x_ticks(svg, &ticks);
        self.draw_y(svg);
    }

    fn draw_y(&self, svg: &mut Svg) {
        let ticks = self.y.scale.ticks(self.y_ticks());
        for (value, label) in &ticks {
            let y = self.y(*value);
            svg.line((self.left - 4.0, y), (self.left, y), FAINT);
            svg.text((self.left - 7.0, y + 4.0), TICK_SIZE, Anchor::End, INK, label);
        }
        let longest = ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        let middle = (self.left - 17.0 - DIGIT_WIDTH * longest as f64, self.top + self.height / 2.0);
        svg.text_upwards(middle, LABEL_SIZE, Anchor::Middle, INK, self.y.label);
    }

    /// The axis below alone, as a scale bar has it.
    pub(crate) fn draw_x(&self, svg: &mut Svg) {
        let room = if let AxisScale::Cells(_) = self.x.scale { 24.0 } else { 55.0 };
        self.draw_x_ticks(svg, &self.x.scale.ticks(((self.width / room) as usize).max(1)));
    }

    fn draw_x_ticks(&self, svg: &mut Svg, ticks: &[(f64, String)]) {
        let y = self.bottom() + self.gap_below;
        for (value, label) in ticks {
            let x = self.x(*value);
            svg.line((x, y), (x, y + 4.0), FAINT);
            svg.text((x, y + 16.0), TICK_SIZE, Anchor::Middle, INK, label);
        }
        let middle = (self.left + self.width / 2.0, y + 33.0);
        svg.text(middle, LABEL_SIZE, Anchor::Middle, INK, self.x.label);
    }
}
