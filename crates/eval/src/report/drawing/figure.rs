//! [`Figure`]: an SVG with its title and caption, and the same as a PNG.

use crate::error::{Error, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Width of all figures, in pixels at scale 1.
pub(crate) const WIDTH: f64 = 980.0;
/// Left end of charts that take the whole width: room for an axis label and numbers like 1,000,000.
pub(crate) const LEFT: f64 = 86.0;
/// Right end of charts that take the whole width.
pub(crate) const RIGHT: f64 = WIDTH - 26.0;
/// The longest side of a PNG.
const MAX_SIDE: u32 = 16_384;

/// A figure of a report.
///
/// ```
/// use minference_eval::report::Figure;
///
/// let svg = r##"<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="30" height="20" fill="#08f"/></svg>"##;
/// let figure =
///     Figure { name: "blue".into(), title: "Blue".into(), caption: "All of it is blue.".into(), svg: svg.into() };
/// let png = figure.png(2.0)?; // 60 x 40 pixels
/// assert_eq!(png[1..4], *b"PNG");
/// # Ok::<(), minference_eval::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Stem of its files, for example `layer-03-head-07-attention`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// What to look for, in a sentence or two.
    pub caption: String,
    /// The drawing. It needs nothing from elsewhere, but a font for its text.
    pub svg: String,
}

impl Figure {
    /// The drawing in pixels, `scale` of them for one of the SVG. Text is set in a font that this
    /// crate brings, so that the result is the same everywhere.
    ///
    /// # Errors
    /// [`Error::Scale`] for a scale at which the figure has no pixels, or more than 16,384 a side;
    /// [`Error::Svg`] where the SVG is none.
    pub fn png(&self, scale: f32) -> Result<Vec<u8>> {
        let refused = |reason: String| Error::Svg { name: self.name.clone(), reason };
        let tree = Tree::from_str(&self.svg, &options()).map_err(|e| refused(e.to_string()))?;
        let side = |length: f32| {
            let pixels = (length * scale).ceil();
            (1.0..=MAX_SIDE as f32).contains(&pixels).then_some(pixels as u32)
        };
        let wrong_scale = || Error::Scale { name: self.name.clone(), scale, limit: MAX_SIDE };
        let width = side(tree.size().width()).ok_or_else(wrong_scale)?;
        let height = side(tree.size().height()).ok_or_else(wrong_scale)?;
        let mut pixels = Pixmap::new(width, height).ok_or_else(wrong_scale)?;
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
        pixels.encode_png().map_err(|e| refused(e.to_string()))
    }
}

/// How SVG is read: with one font, whatever is installed, and nothing from files or elsewhere.
fn options() -> Options<'static> {
    let mut options = Options::default();
    // Images may only stand in the SVG itself.
    options.image_href_resolver.resolve_string = Box::new(|_, _| None);
    let fonts = options.fontdb_mut();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let family = fonts.faces().flat_map(|face| &face.families).map(|(name, _)| name.clone()).next();
    if let Some(family) = family {
        fonts.set_sans_serif_family(family);
    }
    options
}
