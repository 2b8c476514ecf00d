//! A head by its layer and its place there.

/// A head as the command line names it: `3,7`.
pub(crate) fn parse_head(text: &str) -> Result<(usize, usize), String> {
    let parse = || -> Option<(usize, usize)> {
        let (layer, head) = text.split_once(',')?;
        Some((layer.trim().parse().ok()?, head.trim().parse().ok()?))
    };
    parse().ok_or_else(|| format!("expected LAYER,HEAD such as 3,7, found {text:?}"))
}
