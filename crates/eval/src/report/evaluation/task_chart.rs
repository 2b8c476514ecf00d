//! Scores by task at the greatest length: what a method is good at, and what not.

use super::lines::shift;
use super::styles::{Legend, Styles, cut};
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::figure::{Figure, RIGHT, WIDTH};
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, INK, Svg, number};
use crate::summary::{AnswerGroup, AnswerSummary};

/// Room for the tasks' names.
const LEFT: f64 = 200.0;

/// None for a single task.
pub(super) fn figure(name: String, title: &str, summary: &AnswerSummary, styles: &Styles) -> Option<Figure> {
    let longest = summary.groups.iter().map(|group| group.length).max()?;
    let groups: Vec<&AnswerGroup> = summary.groups.iter().filter(|group| group.length == longest).collect();
    if groups.len() < 2 {
        return None;
    }
    let title = format!("{title}, {longest} tokens");
    let methods = &summary.methods;
    let legend = Legend::new(styles, methods.iter().map(String::as_str), RIGHT - 86.0);
    let row = 14.0 + 7.0 * methods.len() as f64;
    let plot = Plot {
        left: LEFT,
        top: 50.0 + legend.height + 8.0,
        width: RIGHT - LEFT,
        height: row * groups.len() as f64,
        x: Axis { scale: AxisScale::Shares(1.0), label: "mean score" },
        y: Axis { scale: AxisScale::Cells(groups.len()), label: "" },
        y_downwards: true,
        gap_below: 0.0,
    };
    let mut svg = Svg::titled(WIDTH, plot.bottom() + 48.0, &title);
    legend.draw(&mut svg, 86.0, 46.0);
    for (value, _) in plot.x.scale.ticks(10) {
        svg.line((plot.x(value), plot.top), (plot.x(value), plot.bottom()), "#e8e8e8");
    }
    // before the marks, half of which lie outside at 0 and 100 %
    svg.outline([plot.left, plot.top, plot.width, plot.height], "#8a8a8a");
    plot.draw_x(&mut svg);
    for (place, group) in groups.iter().enumerate() {
        let middle = plot.y(place as f64);
        if place > 0 {
            let y = middle - row / 2.0;
            svg.line((plot.left, y), (RIGHT, y), "#cccccc");
        }
        svg.text((LEFT - 9.0, middle + 4.0), 12.0, Anchor::End, INK, &cut(&group.task, 26));
        for (number_of, method) in methods.iter().enumerate() {
            let Some(of_method) = group.rows.iter().find(|of_method| of_method.method == *method) else {
                continue;
            };
            if !of_method.score.mean.is_finite() {
                continue;
            }
            let (style, y) = (styles.of(method), middle + shift(number_of, methods.len()));
            let (low, high) = of_method.score.interval();
            let (low, high) = (number(plot.x(low)), number(plot.x(high)));
            svg.stroke(&format!("M{low} {}H{high}", number(y)), style.color, 1.0);
            style.draw_mark(&mut svg, (plot.x(of_method.score.mean), y), false);
        }
    }
    Some(Figure {
        name,
        caption: "A task is unharmed by a method if its mark lies where dense attention's does. Thin bars are 95% intervals: methods whose \
                  bars overlap widely can't be told apart with so few questions."
            .into(),
        svg: svg.finish(&title),
        title,
    })
}
