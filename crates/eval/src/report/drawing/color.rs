//! Colours: one for each kind of pattern, and sequences for amounts.

use minference_attention::HeadPattern;

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// Where a map has nothing to show: no causal pair.
pub(crate) const NOTHING: Rgb = [0xe4, 0xe4, 0xe4];

/// A sequence of colours from little (light) to much (dark), by points at equal distances.
#[derive(Clone, Copy)]
pub(crate) struct Sequence(&'static [Rgb]);

/// From cream over red to black: details stay visible over many orders of magnitude.
pub(crate) const HEAT: Sequence = Sequence(&[
    [0xff, 0xfd, 0xf0],
    [0xfe, 0xdc, 0x9c],
    [0xfd, 0xa5, 0x6a],
    [0xe7, 0x5a, 0x5f],
    [0xb1, 0x36, 0x79],
    [0x6a, 0x1c, 0x81],
    [0x2a, 0x11, 0x5c],
    [0x05, 0x03, 0x18],
]);
/// Blues.
pub(crate) const BLUES: Sequence = Sequence(&[
    [0xf7, 0xfb, 0xff],
    [0xc6, 0xdb, 0xef],
    [0x6b, 0xae, 0xd6],
    [0x21, 0x71, 0xb5],
    [0x08, 0x30, 0x6b],
]);

/// Scores: from a dark purple, all wrong, to nearly white, all right, so that failures stand out.
pub(crate) const SCORES: Sequence = Sequence(&[
    [0x4b, 0x14, 0x63],
    [0x8f, 0x29, 0x7a],
    [0xce, 0x48, 0x6a],
    [0xf4, 0x86, 0x5f],
    [0xfd, 0xc4, 0x88],
    [0xff, 0xfb, 0xee],
]);
/// Differences: from orange, worse, over white to blue, better.
pub(crate) const DIFFERENCES: Sequence = Sequence(&[
    [0xb3, 0x58, 0x06],
    [0xf1, 0xa3, 0x40],
    [0xfe, 0xe0, 0xb6],
    [0xfc, 0xfc, 0xfc],
    [0xc6, 0xdb, 0xef],
    [0x6b, 0xae, 0xd6],
    [0x21, 0x71, 0xb5],
]);

impl Sequence {
    /// The colour at a place, 0 to 1.
    pub(crate) fn at(&self, place: f64) -> Rgb {
        let last = self.0.len() - 1;
        let place = if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) } * last as f64;
        let below = (place as usize).min(last - 1);
        let part = place - below as f64;
        let (low, high) = (self.0[below], self.0[below + 1]);
        std::array::from_fn(|i| (f64::from(low[i]) * (1.0 - part) + f64::from(high[i]) * part).round() as u8)
    }
}

/// As SVG writes it.
pub(crate) fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The colour of text that can be read on a colour.
pub(crate) fn ink_on([red, green, blue]: Rgb) -> &'static str {
    let lightness = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
    if lightness < 140.0 { "#ffffff" } else { super::svg::INK }
}

/// A colour mixed with white: what was not measured.
pub(crate) fn pale(hex: &str) -> String {
    let channel = |place: usize| {
        let value = hex.get(place..place + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let value = f64::from(value.unwrap_or(0));
        (0.45 * value + 0.55 * 255.0).round() as u8
    };
    self::hex([channel(1), channel(3), channel(5)])
}

/// The colour of a pattern's kind, from the palette of Okabe and Ito, which colour-blind readers
/// can tell apart.
pub(crate) fn of_pattern(pattern: HeadPattern) -> &'static str {
    match pattern {
        HeadPattern::Dense => "#9a9a9a",
        HeadPattern::AShape { .. } => "#e69f00",
        HeadPattern::TriShape { .. } => "#cc79a7",
        HeadPattern::VerticalSlash { .. } => "#0072b2",
        HeadPattern::BlockSparse { .. } => "#009e73",
    }
}

/// Colours of methods, by their names up to a colon: patterns as [`of_pattern`] has them.
pub(crate) const METHODS: [(&str, &str); 7] = [
    ("dense", "#6e6e6e"),
    ("minference", "#d55e00"),
    ("a-shape", "#e69f00"),
    ("tri-shape", "#cc79a7"),
    ("vertical-slash", "#0072b2"),
    ("block-sparse", "#009e73"),
    ("static", "#56b4e9"),
];
/// Colours of what has no colour of its own.
pub(crate) const OTHERS: [&str; 6] = ["#7b3294", "#8c510a", "#1b1b1b", "#80a020", "#b2182b", "#35978f"];

/// Colours of a few parts that belong together, from the same palette.
pub(crate) const PARTS: [&str; 4] = ["#56b4e9", "#f0e442", "#d55e00", "#bbbbbb"];
