//! What every figure and every page must stand.

use minference_eval::report::Figure;
use resvg::usvg;

/// Width and height of a PNG, and its pixels, 4 bytes each.
fn decode(png: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    (info.width, info.height, pixels)
}

/// An attribute of the SVG's first element.
fn attribute(figure: &Figure, name: &str) -> f32 {
    let (_, rest) = figure.svg.split_once(&format!(" {name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

/// It becomes an image of the right size that is not blank.
pub(crate) fn assert_draws(figure: &Figure) {
    let name = &figure.name;
    assert!(!figure.title.is_empty() && !figure.caption.is_empty(), "{name}");
    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name}");
    let (width, height, pixels) = decode(&figure.png(0.5).unwrap());
    let expected = ["width", "height"].map(|side| (attribute(figure, side) / 2.0).ceil() as u32);
    assert_eq!([width, height], expected, "{name}");
    let inked = pixels.chunks_exact(4).filter(|pixel| *pixel != [255; 4]).count();
    assert!(inked * 100 > pixels.len() / 4, "{name} is blank");
}

/// Nothing that is no number is drawn.
pub(crate) fn assert_has_only_numbers(figure: &Figure) {
    // by chance, an image's letters may read as anything
    let drawn: String =
        figure.svg.split("base64,").map(|part| part.split_once('"').map_or(part, |(_, rest)| rest)).collect();
    assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{}", figure.name);
}

/// A page holds no script, refers to nothing outside, and closes what it opens.
pub(crate) fn assert_is_self_contained(page: &str) {
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!outside.contains("http://") && !outside.contains("https://"));
    assert!(!outside.contains("<script") && !outside.contains("url("));
    let tags = |tag: &str| page.matches(tag).count();
    for (open, close) in
        [("<svg ", "</svg>"), ("<figure ", "</figure>"), ("<table>", "</table>"), ("<section ", "</section>")]
    {
        assert_eq!(tags(open), tags(close), "{open}");
    }
}

/// Places of all texts, and what they say.
fn texts(group: &usvg::Group, found: &mut Vec<(usvg::Rect, String)>) {
    for node in group.children() {
        match node {
            usvg::Node::Group(group) => texts(group, found),
            usvg::Node::Text(text) => {
                let chunks = text.chunks().iter().map(usvg::TextChunk::text);
                found.push((text.abs_bounding_box(), chunks.collect()));
            }
            _ => {}
        }
    }
}

/// Texts neither overlap nor leave the figure; `case` tells which one failed.
pub(crate) fn assert_texts_are_apart(figure: &Figure, case: &str) {
    let mut options = usvg::Options::default();
    options.fontdb_mut().load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let family = options.fontdb.faces().next().unwrap().families[0].0.clone();
    options.fontdb_mut().set_sans_serif_family(family);
    let tree = usvg::Tree::from_str(&figure.svg, &options).unwrap();
    let mut found = Vec::new();
    texts(tree.root(), &mut found);
    assert!(found.len() > 3, "{}", figure.name);
    for (place, (area, text)) in found.iter().enumerate() {
        let is_inside = area.left() >= 0.0
            && area.top() >= 0.0
            && area.right() <= tree.size().width()
            && area.bottom() <= tree.size().height();
        assert!(is_inside, "{} ({case}): \"{text}\" at {area:?}", figure.name);
        for (other_area, other) in &found[..place] {
            let apart = area.right() < other_area.left()
                || other_area.right() < area.left()
                || area.bottom() < other_area.top()
                || other_area.bottom() < area.top();
            assert!(apart, "{} ({case}): \"{text}\" over \"{other}\"", figure.name);
        }
    }
}
