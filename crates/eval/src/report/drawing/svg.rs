//! A writer of SVG: the few shapes that figures need, with escaped text and short numbers.

use std::fmt::Write;

/// Text in the figures.
pub(crate) const INK: &str = "#222222";
/// Axes, ticks and what else stands back.
pub(crate) const FAINT: &str = "#8a8a8a";

/// Which point of a text its position names.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing on white, in pixels, y downwards.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Text as it may stand in XML and HTML, in elements and in attributes. Characters that XML forbids
/// become a replacement mark.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A coordinate with two decimals at most; what is no number becomes 0.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "0".into();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        let mut svg = Self { width, height, body: String::new() };
        svg.rect([0.0, 0.0, width, height], "#ffffff", None);
        svg
    }

    /// With a title above all that is drawn.
    pub(crate) fn titled(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self::new(width, height);
        svg.text((16.0, 28.0), 17.0, Anchor::Start, INK, title);
        svg
    }

    // Writing to a String can't fail.
    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(arguments);
        self.body.push('\n');
    }

    /// A filled rectangle, `[left, top, width, height]`, which shows `tip` under the pointer.
    pub(crate) fn rect(&mut self, area: [f64; 4], fill: &str, tip: Option<&str>) {
        let [x, y, width, height] = area.map(number);
        let start = format!(r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}""#);
        match tip {
            Some(tip) => self.push(format_args!("{start}><title>{}</title></rect>", escape(tip))),
            None => self.push(format_args!("{start}/>")),
        }
    }

    /// The outline of a rectangle.
    pub(crate) fn outline(&mut self, area: [f64; 4], stroke: &str) {
        let [x, y, width, height] = area.map(number);
        self.push(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="{stroke}"/>"#
        ));
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        self.push(format_args!(r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{stroke}"/>"#));
    }

    /// A path of `data`, filled.
    pub(crate) fn area(&mut self, data: &str, fill: &str) {
        if !data.is_empty() {
            self.push(format_args!(r#"<path d="{data}" fill="{fill}"/>"#));
        }
    }

    /// A path of `data`, drawn with a pen.
    pub(crate) fn stroke(&mut self, data: &str, stroke: &str, width: f64) {
        if !data.is_empty() {
            let width = number(width);
            self.push(format_args!(
                r#"<path d="{data}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"/>"#
            ));
        }
    }

    /// The same of short dashes: what was not measured.
    pub(crate) fn dashes(&mut self, data: &str, stroke: &str, width: f64) {
        if !data.is_empty() {
            let width = number(width);
            self.push(format_args!(
                r#"<path d="{data}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-dasharray="5 4"/>"#
            ));
        }
    }

    pub(crate) fn text(&mut self, at: (f64, f64), size: f64, anchor: Anchor, fill: &str, text: &str) {
        self.place_text(at, size, anchor, fill, text, "");
    }

    /// Text that runs upwards.
    pub(crate) fn text_upwards(&mut self, at: (f64, f64), size: f64, anchor: Anchor, fill: &str, text: &str) {
        let turn = format!(r#" transform="rotate(-90 {} {})""#, number(at.0), number(at.1));
        self.place_text(at, size, anchor, fill, text, &turn);
    }

    fn place_text(
        &mut self,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        fill: &str,
        text: &str,
        transform: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, size, text) = (number(at.0), number(at.1), number(size), escape(text));
        self.push(format_args!(
            r#"<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"{transform}>{text}</text>"#
        ));
    }

    /// An image, its pixels as squares with sharp edges.
    pub(crate) fn image(&mut self, area: [f64; 4], uri: &str) {
        let [x, y, width, height] = area.map(number);
        self.push(format_args!(
            r#"<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" style="image-rendering:pixelated" href="{uri}"/>"#
        ));
    }

    /// The whole document; `label` is what a screen reader says.
    pub(crate) fn finish(self, label: &str) -> String {
        let (width, height, label) = (number(self.width), number(self.height), escape(label));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"Ubuntu, system-ui, sans-serif\" role=\"img\" aria-label=\"{label}\">\n{}</svg>\n",
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_numbers_are_short() {
        assert_eq!(escape("<a & \"b\" 'c'>\u{1b}\n"), "&lt;a &amp; &quot;b&quot; &#39;c&#39;&gt;\u{fffd} ");
        assert_eq!([1.0, 1.5, -0.001, 0.126, f64::NAN].map(number), ["1", "1.5", "0", "0.13", "0"]);
        assert_eq!(number(1200.0), "1200");
    }
}
