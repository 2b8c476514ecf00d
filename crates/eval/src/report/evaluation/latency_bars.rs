//! Times to the first token by their parts.

use super::styles::cut;
use crate::numbers::{count, duration, speedup};
use crate::report::drawing::color::{self, PARTS};
use crate::report::drawing::figure::{Figure, WIDTH};
use crate::report::drawing::finite;
use crate::report::drawing::svg::{Anchor, FAINT, INK, Svg, number};
use crate::summary::{DENSE, LatencyRow, LatencySummary};

/// Parts, with the colours that inspections give them too.
const NAMES: [&str; 6] = ["projections", "index", "attention", "MLP", "other", "compression"];
const COLORS: [&str; 6] = [PARTS[0], PARTS[1], PARTS[2], PARTS[3], "#e2e2e2", "#009e73"];
/// Where bars begin, and how long the longest one of a length is.
const LEFT: f64 = 208.0;
const LONGEST: f64 = 560.0;
const BAR: f64 = 17.0;
const STEP: f64 = 23.0;
const TOP: f64 = 86.0;
/// Above a length's first bar, and below its last.
const ABOVE: f64 = 24.0;
const BELOW: f64 = 16.0;

fn parts(row: &LatencyRow) -> [f64; 6] {
    let seconds = &row.seconds;
    let [projections, index, attention] = [seconds.projections, seconds.index, seconds.attention];
    [projections, index, attention, seconds.mlp, row.other(), seconds.compression].map(finite)
}

/// None without any times.
pub(super) fn figure(name: String, title: &str, summary: &LatencySummary) -> Option<Figure> {
    let groups: Vec<&[LatencyRow]> = summary.rows.chunk_by(|a, b| a.length == b.length).collect();
    if groups.is_empty() {
        return None;
    }
    let height = groups.iter().map(|rows| ABOVE + STEP * rows.len() as f64 + BELOW).sum::<f64>();
    let mut svg = Svg::titled(WIDTH, TOP + height + 4.0, title);
    // the last part is that of compressed caches only
    let is_compressed = summary.rows.iter().any(|row| row.seconds.compression > 0.0);
    let shown = if is_compressed { NAMES.len() } else { NAMES.len() - 1 };
    for (place, (name, fill)) in NAMES.into_iter().zip(COLORS).take(shown).enumerate() {
        let x = LEFT + 116.0 * place as f64;
        svg.rect([x, 48.0, 12.0, 12.0], fill, None);
        svg.text((x + 19.0, 58.5), 12.0, Anchor::Start, INK, name);
    }
    let mut top = TOP;
    for rows in groups {
        draw_group(&mut svg, top, rows, shown);
        top += ABOVE + STEP * rows.len() as f64 + BELOW;
    }
    let mut caption = String::from(
        "Where the time to the first token goes, and how many times as fast as dense attention each method is. Bars of one length share a \
         scale; those of other lengths have their own. Orange is attention, which grows with the square of the length and which patterns make \
         cheaper; yellow is what choosing costs.",
    );
    if summary.rows.iter().any(LatencyRow::is_extrapolated) {
        caption += " Pale bars in dashes, and numbers with ~, were not measured but extrapolated from shorter prompts.";
    }
    Some(Figure { name, caption, svg: svg.finish(title), title: title.into() })
}

fn draw_group(svg: &mut Svg, top: f64, rows: &[LatencyRow], shown: usize) {
    let length = rows.first().map_or(0, |row| row.length);
    svg.text((LEFT, top + 14.0), 13.0, Anchor::Start, INK, &format!("{} tokens", count(length)));
    let longest = rows.iter().map(|row| parts(row).iter().sum::<f64>()).fold(0.0, f64::max);
    let scale = if longest > 0.0 { LONGEST / longest } else { 0.0 };
    for (place, row) in rows.iter().enumerate() {
        let y = top + ABOVE + STEP * place as f64;
        svg.text((LEFT - 9.0, y + 13.0), 12.0, Anchor::End, INK, &cut(&row.method, 27));
        let mut left = LEFT;
        for ((name, fill), seconds) in NAMES.into_iter().zip(COLORS).zip(parts(row)).take(shown) {
            let width = scale * seconds;
            let tip = format!("{}, {} tokens, {name}: {}", row.method, count(length), duration(seconds));
            let fill = if row.is_extrapolated() { color::pale(fill) } else { fill.to_string() };
            svg.rect([left, y, width, BAR], &fill, Some(&tip));
            left += width;
        }
        if row.is_extrapolated() {
            let (x, y, width) = (number(LEFT), number(y), number(left - LEFT));
            svg.dashes(&format!("M{x} {y}h{width}v{BAR}h-{width}Z"), FAINT, 1.0);
        }
        let mark = |is_extrapolated: bool| if is_extrapolated { "~" } else { "" };
        let mut label = format!("{}{}", mark(row.is_extrapolated()), duration(row.seconds.total));
        if let Some(factor) = row.speedup.filter(|_| row.method != DENSE) {
            label += &format!(" ({}{})", mark(row.is_speedup_extrapolated), speedup(factor));
        }
        svg.text((left + 8.0, y + 13.0), 12.0, Anchor::Start, INK, &label);
    }
}
