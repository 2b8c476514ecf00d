//! [`Styles`]: a colour and a mark for each method, the same in all figures of a report.

use crate::report::drawing::color::{METHODS, OTHERS};
use crate::report::drawing::svg::{Anchor, INK, Svg, number};
use std::collections::BTreeMap;

/// The width of a letter of 12 pixels, rather too wide.
const LETTER: f64 = 6.6;
/// From a line of a legend to the next.
const LINE: f64 = 20.0;

/// How a method is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct MethodStyle {
    pub(super) color: &'static str,
    mark: PointShape,
}

/// Marks that differ without colours, too.
#[derive(Debug, Clone, Copy)]
enum PointShape {
    Circle,
    Square,
    Diamond,
    Triangle,
}

impl PointShape {
    /// Its outline.
    fn path(self, (x, y): (f64, f64), radius: f64) -> String {
        let r = radius;
        let points = match self {
            Self::Circle => {
                let (start, r) = (number(x - r), number(r));
                let side = number(2.0 * radius);
                return format!("M{start} {}a{r} {r} 0 1 0 {side} 0a{r} {r} 0 1 0 -{side} 0Z", number(y));
            }
            Self::Square => vec![(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Self::Diamond => vec![(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Self::Triangle => vec![(0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
        };
        let points: Vec<String> =
            points.into_iter().map(|(a, b)| format!("{} {}", number(x + a * r), number(y + b * r))).collect();
        format!("M{}Z", points.join("L"))
    }
}

/// Styles of methods.
#[derive(Debug, Clone, Default)]
pub(super) struct Styles(BTreeMap<String, MethodStyle>);

impl Styles {
    /// Of all methods of a report. The first one of a kind has the kind's colour; others of it take
    /// the next free one.
    pub(super) fn new<'a>(methods: impl Iterator<Item = &'a str>) -> Self {
        const MARKS: [PointShape; 4] =
            [PointShape::Circle, PointShape::Square, PointShape::Diamond, PointShape::Triangle];
        let mut styles: BTreeMap<String, MethodStyle> = BTreeMap::new();
        let mut others = OTHERS.iter().cycle();
        for method in methods {
            if styles.contains_key(method) {
                continue;
            }
            let kind = method.split(':').next().unwrap_or(method);
            let own = METHODS.iter().find(|(name, _)| *name == kind).map(|&(_, color)| color);
            let free = own.filter(|color| styles.values().all(|style| style.color != *color));
            let color = free.unwrap_or_else(|| others.next().copied().unwrap_or(INK));
            styles.insert(method.to_string(), MethodStyle { color, mark: MARKS[styles.len() % MARKS.len()] });
        }
        Self(styles)
    }

    pub(super) fn of(&self, method: &str) -> MethodStyle {
        self.0.get(method).copied().unwrap_or(MethodStyle { color: INK, mark: PointShape::Circle })
    }
}

impl MethodStyle {
    /// A mark; a hollow one stands for what was not measured.
    pub(super) fn draw_mark(&self, svg: &mut Svg, at: (f64, f64), is_hollow: bool) {
        let path = self.mark.path(at, 4.2);
        svg.area(&path, if is_hollow { "#ffffff" } else { self.color });
        svg.stroke(&path, if is_hollow { self.color } else { "#ffffff" }, if is_hollow { 1.6 } else { 0.8 });
    }
}

/// A text, cut to so many letters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_string();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Which mark is which method.
pub(super) struct Legend {
    entries: Vec<(MethodStyle, String, f64, f64)>,
    pub(super) height: f64,
}

impl Legend {
    /// In lines of at most `width`.
    pub(super) fn new<'a>(styles: &Styles, methods: impl Iterator<Item = &'a str>, width: f64) -> Self {
        let (mut x, mut y) = (0.0, 0.0);
        let mut entries = Vec::new();
        for method in methods {
            let text = cut(method, 40);
            let room = 46.0 + LETTER * text.chars().count() as f64;
            if x > 0.0 && x + room > width {
                (x, y) = (0.0, y + LINE);
            }
            entries.push((styles.of(method), text, x, y));
            x += room;
        }
        Self { entries, height: y + LINE }
    }

    pub(super) fn draw(&self, svg: &mut Svg, left: f64, top: f64) {
        for (style, text, x, y) in &self.entries {
            let (x, y) = (left + x, top + y + 8.0);
            svg.stroke(&format!("M{} {}h22", number(x), number(y)), style.color, 2.0);
            style.draw_mark(svg, (x + 11.0, y), false);
            svg.text((x + 28.0, y + 4.2), 12.0, Anchor::Start, INK, text);
        }
    }
}
