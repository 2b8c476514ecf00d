//! Perplexity by position: whether a method keeps what stands far back in a text.

use super::lines::{self, Point};
use super::styles::{Legend, Styles};
use crate::numbers::count;
use crate::report::drawing::axis::{Axis, Plot};
use crate::report::drawing::figure::{Figure, LEFT, RIGHT, WIDTH};
use crate::report::drawing::finite;
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, FAINT, INK, Svg};
use crate::summary::{BucketLoss, DENSE, PerplexityGroup, PerplexityRow};

const HEIGHT: f64 = 220.0;
const CHANGE_HEIGHT: f64 = 150.0;
/// The smallest range of changes, so that noise does not look like a loss.
const LEAST_CHANGE: f64 = 0.01;

/// None where nothing was compared.
pub(super) fn figure(name: String, title: &str, group: &PerplexityGroup, styles: &Styles) -> Option<Figure> {
    let buckets =
        || group.rows.iter().flat_map(|row| &row.buckets).filter(|bucket| bucket.perplexity.is_finite());
    let to = buckets().map(|bucket| bucket.to).max()? as f64;
    let from = buckets().map(middle).fold(to, f64::min);
    let title = format!("{title}, {} tokens", count(group.length));
    let has_changes = group.rows.iter().any(|row| row.method != DENSE && row.change.is_some());
    let legend = Legend::new(styles, group.rows.iter().map(|row| row.method.as_str()), RIGHT - LEFT);
    let top = 50.0 + legend.height + 8.0;
    let x = Axis {
        scale: AxisScale::LogCounts { from: from / 1.2, to: to.max(from) },
        label: "position in the text, in tokens, logarithmic",
    };
    let (low, high) = buckets()
        .map(|bucket| bucket.perplexity)
        .fold((f64::MAX, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    let room = (0.08 * (high - low)).max(0.01 * high);
    let scale = AxisScale::Numbers { from: (low - room).max(0.0), to: high + room };
    let plot = Plot {
        left: LEFT,
        top,
        width: RIGHT - LEFT,
        height: HEIGHT,
        x,
        y: Axis { scale, label: "perplexity" },
        y_downwards: false,
        gap_below: 0.0,
    };
    let largest = group.rows.iter().flat_map(|row| &row.buckets).filter_map(|bucket| bucket.change);
    let largest = 1.15 * largest.map(|change| finite(change.abs())).fold(LEAST_CHANGE, f64::max);
    let change = Plot {
        top: plot.bottom() + 82.0,
        height: CHANGE_HEIGHT,
        y: Axis { scale: AxisScale::Differences(largest), label: "change" },
        ..plot
    };
    let bottom = if has_changes { change.bottom() } else { plot.bottom() };
    let mut svg = Svg::titled(WIDTH, bottom + 48.0, &title);
    legend.draw(&mut svg, LEFT, 46.0);
    plot.draw_grid(&mut svg);
    plot.draw(&mut svg);
    draw_rows(&mut svg, &plot, group.rows.iter(), styles, |bucket| bucket.perplexity);
    if has_changes {
        svg.text((LEFT, change.top - 10.0), 13.0, Anchor::Start, INK, "Change relative to dense attention");
        change.draw_grid(&mut svg);
        svg.line((LEFT, change.y(0.0)), (RIGHT, change.y(0.0)), FAINT);
        change.draw(&mut svg);
        let others = group.rows.iter().filter(|row| row.method != DENSE);
        draw_rows(&mut svg, &change, others, styles, |bucket| bucket.change.unwrap_or(f64::NAN));
    }
    let mut caption = String::from(
        "Tokens are easier to predict the more text stands before them, so that lines fall to the right; a method that misses what stands far \
         back stops falling. The axis of perplexity does not begin at 0.",
    );
    if has_changes {
        caption += " Below, how much higher or lower each method's perplexity is than dense attention's: a line that stays at 0% loses nothing.";
    }
    Some(Figure { name, caption, svg: svg.finish(&title), title })
}

/// Where a bucket is drawn: at the middle of its positions' logarithms.
fn middle(bucket: &BucketLoss) -> f64 {
    (bucket.from.max(1) as f64 * bucket.to.max(1) as f64).sqrt()
}

fn draw_rows<'a>(
    svg: &mut Svg,
    plot: &Plot<'_>,
    rows: impl Iterator<Item = &'a PerplexityRow>,
    styles: &Styles,
    value: impl Fn(&BucketLoss) -> f64,
) {
    for row in rows {
        let points: Vec<Point> =
            row.buckets.iter().map(|bucket| Point::new(middle(bucket), value(bucket))).collect();
        lines::draw(svg, plot, styles.of(&row.method), &points, 0.0);
    }
}
