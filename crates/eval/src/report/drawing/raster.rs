//! Maps as images: a pixel for each cell, in a PNG that stands within the SVG. As shapes they would
//! be a hundred times larger.

use super::color::{Rgb, Sequence};
use super::scale::AxisScale;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// `width` x `height` pixels (one at least) as a PNG in a data URI.
pub(crate) fn data_uri(width: usize, height: usize, pixel: impl Fn(usize, usize) -> Rgb) -> String {
    let (width, height) = (width.max(1), height.max(1));
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        (0..width).for_each(|x| pixels.extend_from_slice(&pixel(x, y)));
    }
    // It can only fail for an image of another size than it says, or without pixels.
    let png = encode(width as u32, height as u32, &pixels).unwrap_or_default();
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

fn encode(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut data = Vec::new();
    let mut encoder = png::Encoder::new(&mut data, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(data)
}

/// The colours of a scale bar, from its start at the left to its end.
pub(crate) fn bar_uri(sequence: Sequence) -> String {
    data_uri(64, 1, |x, _| sequence.at(x as f64 / 63.0))
}

/// The colour of a value.
pub(crate) fn color(sequence: Sequence, scale: AxisScale, value: f64) -> Rgb {
    sequence.at(scale.at(value))
}
