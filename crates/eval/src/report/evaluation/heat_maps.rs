//! Scores by length and depth: a map for each method, and one of its difference to dense attention.

use super::styles::cut;
use crate::numbers::{count, percent, short_length};
use crate::report::drawing::color::{self, DIFFERENCES, NOTHING, Rgb, SCORES};
use crate::report::drawing::figure::{Figure, WIDTH};
use crate::report::drawing::scale::AxisScale;
use crate::report::drawing::svg::{Anchor, FAINT, INK, Svg};
use crate::report::drawing::{raster, scale_bar};
use crate::summary::{DENSE, DepthGrid, GridCell, Share};

/// Room for maps beside each other.
const MAPS: f64 = 948.0;
/// Room for the depths at the left of a map.
const LEFT: f64 = 66.0;
/// Between a map and the next one's depths.
const GAP: f64 = 10.0;
/// Width of scale bars.
const BAR: f64 = 238.0;
const CELL_HEIGHT: f64 = 24.0;
/// Above a map's first row and below its last.
const ABOVE: f64 = 30.0;
const BELOW: f64 = 54.0;
/// The smallest range of differences, so that one question more or less is no dark colour.
const LEAST_DIFFERENCE: f64 = 0.2;

/// What maps show of a cell.
#[derive(Clone, Copy)]
enum Shown {
    Score,
    Difference(AxisScale),
}

pub(super) fn figure(name: String, title: &str, grid: &DepthGrid) -> Figure {
    let differences: Vec<usize> = (0..grid.methods.len())
        .filter(|&method| cells(grid, method).any(|cell| cell.difference.is_some()))
        .collect();
    let largest =
        differences.iter().flat_map(|&method| cells(grid, method)).filter_map(|cell| cell.difference);
    let largest = largest.map(f64::abs).filter(|size| size.is_finite()).fold(LEAST_DIFFERENCE, f64::max);
    let difference = AxisScale::Differences(largest);
    // Four maps beside each other, if their cells still have room for numbers.
    let columns = if grid.methods.len() == 4 && grid.lengths.len() <= 6 { 4 } else { 3 };
    let step = MAPS / columns as f64;
    // Below its own map, if all have room beside each other.
    let moved = usize::from(!differences.is_empty() && grid.methods.len() <= columns);
    let row = ABOVE + CELL_HEIGHT * grid.depths.len() as f64 + BELOW;
    let rows = |maps: usize| maps.div_ceil(columns) as f64 * row;
    let scores_top = 48.0;
    let differences_top = scores_top + rows(grid.methods.len());
    let bars_top = differences_top + rows(differences.len()) + 16.0;
    let mut svg = Svg::titled(WIDTH, bars_top + 56.0, title);
    let place = |number: usize, top: f64| {
        let (column, line) = ((number % columns) as f64, (number / columns) as f64);
        [16.0 + LEFT + step * column, top + ABOVE + row * line, step - LEFT - GAP]
    };
    for method in 0..grid.methods.len() {
        draw_map(&mut svg, place(method, scores_top), grid, method, Shown::Score);
    }
    for (number, &method) in differences.iter().enumerate() {
        draw_map(
            &mut svg,
            place(number + moved, differences_top),
            grid,
            method,
            Shown::Difference(difference),
        );
    }
    let left = 16.0 + LEFT;
    scale_bar::draw(&mut svg, [left, bars_top, BAR, 12.0], SCORES, AxisScale::Shares(1.0), "mean score");
    if !differences.is_empty() {
        let area = [left + 330.0, bars_top, BAR, 12.0];
        scale_bar::draw(
            &mut svg,
            area,
            DIFFERENCES,
            difference,
            "score minus dense attention's, in percentage points",
        );
    }
    Figure {
        name,
        caption: caption(grid, !differences.is_empty()),
        svg: svg.finish(title),
        title: title.into(),
    }
}

fn caption(grid: &DepthGrid, has_differences: bool) -> String {
    let number = grid.methods.iter().enumerate().flat_map(|(method, _)| cells(grid, method));
    let numbers = number.map(|cell| cell.score.number).filter(|&number| number > 0);
    let (fewest, most) =
        numbers.fold((usize::MAX, 0), |(low, high), number| (low.min(number), high.max(number)));
    let questions = match (fewest, most) {
        (_, 0) => "no question".into(),
        (1, 1) => "one question".into(),
        (fewest, most) if fewest == most => format!("{} questions", count(most)),
        (fewest, most) => format!("{} to {} questions", count(fewest), count(most)),
    };
    let mut caption = format!(
        "Each cell is the mean score, in percent, of {questions} about a fact at some depth of a text of some length. A method keeps the \
         model's ability if its map looks like dense attention's; dark cells are facts that were not found. A row that darkens is a \
         depth that the method does not look at, a column a length that is too much for it."
    );
    if has_differences {
        caption += " The lower maps tell what the method changes: orange is worse than dense attention, blue better, in percentage points.";
    }
    caption
}

fn cells(grid: &DepthGrid, method: usize) -> impl Iterator<Item = &GridCell> {
    let depths = grid.depths.len();
    let places =
        (0..grid.lengths.len()).flat_map(move |length| (0..depths).map(move |depth| (length, depth)));
    places.filter_map(move |(length, depth)| grid.cell(method, length, depth))
}

/// What stands above a map.
fn map_title(grid: &DepthGrid, method: usize, shown: Shown) -> String {
    let name = cut(&grid.methods[method], if let Shown::Score = shown { 22 } else { 16 });
    match shown {
        Shown::Score => {
            let mean = Share::of(cells(grid, method).map(|cell| cell.score.mean));
            format!("{name}: {}", percent(mean.mean))
        }
        Shown::Difference(_) => {
            let mean = Share::of(cells(grid, method).filter_map(|cell| cell.difference));
            format!("{name} minus {DENSE}: {}", signed_points(mean.mean))
        }
    }
}

/// A difference in percentage points, with a sign unless there is none.
fn signed_points(difference: f64) -> String {
    let text = format!("{:+.1}", 100.0 * difference);
    if matches!(text.as_str(), "+0.0" | "-0.0") { "0".into() } else { text }
}

fn look(cell: &GridCell, shown: Shown) -> Option<(Rgb, String)> {
    let (value, sequence, scale) = match shown {
        Shown::Score => (Some(cell.score.mean), SCORES, AxisScale::Shares(1.0)),
        Shown::Difference(scale) => (cell.difference, DIFFERENCES, scale),
    };
    let value = value.filter(|value| value.is_finite())?;
    let points = (100.0 * value.clamp(-1.0, 1.0)).round();
    let text = match shown {
        Shown::Difference(_) if points > 0.0 => format!("+{points}"),
        _ => format!("{}", points + 0.0),
    };
    Some((raster::color(sequence, scale, value), text))
}

/// In `[left, top, width]`.
fn draw_map(svg: &mut Svg, [left, top, most_width]: [f64; 3], grid: &DepthGrid, method: usize, shown: Shown) {
    let (columns, rows) = (grid.lengths.len(), grid.depths.len());
    let cell_width = (most_width / columns.max(1) as f64).min(64.0);
    let (width, height) = (cell_width * columns as f64, CELL_HEIGHT * rows as f64);
    svg.text((left, top - 10.0), 13.0, Anchor::Start, INK, &map_title(grid, method, shown));
    for (column, &length) in grid.lengths.iter().enumerate() {
        for (row, &depth) in grid.depths.iter().enumerate() {
            let Some(cell) = grid.cell(method, column, row) else { continue };
            let (x, y) = (left + cell_width * column as f64, top + CELL_HEIGHT * row as f64);
            let place = format!("{} tokens, depth {}", count(length), percent(depth));
            let (fill, text) = look(cell, shown).unwrap_or((NOTHING, String::new()));
            let tip = format!("{place}: {} of {} questions", percent(cell.score.mean), cell.score.number);
            svg.rect([x, y, cell_width - 1.0, CELL_HEIGHT - 1.0], &color::hex(fill), Some(&tip));
            // at most four letters
            if cell_width >= 23.0 && !text.is_empty() {
                let middle = (x + cell_width / 2.0 - 0.5, y + CELL_HEIGHT / 2.0 + 3.5);
                svg.text(middle, 10.5, Anchor::Middle, color::ink_on(fill), &text);
            }
        }
    }
    svg.outline([left - 0.5, top - 0.5, width, height], FAINT);
    for (row, &depth) in grid.depths.iter().enumerate() {
        let y = top + CELL_HEIGHT * (row as f64 + 0.5) + 3.5;
        svg.text((left - 7.0, y), 10.5, Anchor::End, INK, &format!("{:.0}%", 100.0 * depth));
    }
    if rows > 1 {
        svg.text_upwards((left - 44.0, top + height / 2.0), 12.0, Anchor::Middle, INK, "depth");
    }
    // Labels of five letters need about 30 pixels.
    let step = (31.0 / cell_width).ceil().max(1.0) as usize;
    for (column, &length) in grid.lengths.iter().enumerate().step_by(step) {
        let x = left + cell_width * (column as f64 + 0.5);
        svg.text((x, top + height + 15.0), 10.5, Anchor::Middle, INK, &short_length(length));
    }
    let label = match ['K', 'k']
        .map(|unit| grid.lengths.iter().any(|&length| short_length(length).ends_with(unit)))
    {
        [true, true] => "length (K: 1,024, k: 1,000)",
        [true, false] => "length (K: 1,024 tokens)",
        [false, true] => "length (k: 1,000 tokens)",
        [false, false] => "length in tokens",
    };
    svg.text((left, top + height + 33.0), 12.0, Anchor::Start, INK, label);
}
