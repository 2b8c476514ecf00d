//! Reports: what was found, as one HTML file that needs nothing else, and its figures.
//!
//! | report | of |
//! |---|---|
//! | [`InspectionReport`] | `minference inspect`: why a head has its pattern, and what was computed of it |
//! | [`EvaluationReport`] | `minference report`: what evaluations found, a section for each folder of results |
//!
//! Figures are SVG, made of a few shapes; maps of many cells are small images within them. A page
//! is made of the figures' SVG as it stands, so that it holds no script and refers to nothing
//! outside. Both reports draw with the same few tools (`drawing/`).

mod drawing;
mod evaluation;
mod inspection;

pub use drawing::figure::Figure;
pub use evaluation::EvaluationReport;
pub use inspection::{HeadSummary, InspectedHead, InspectedLayer, InspectionReport, LayerTimes};

use crate::error::{Error, Result};
use minference_attention::files;
use std::path::{Path, PathBuf};

/// Pixels of a written PNG for one of the SVG: sharp in print and on fine screens.
const PNG_SCALE: f32 = 2.0;

/// Writes a page, and with a folder for `figures` each figure there as SVG and PNG. Folders are
/// made where they are missing. Returns what was written, the page first.
fn write(html: &Path, page: &str, figures: &[Figure], folder: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut write = |path: PathBuf, data: &[u8]| {
        files::make_folder_of(&path)
            .and_then(|()| files::write_bytes(&path, data))
            .map_err(Error::write(&path))?;
        written.push(path);
        Ok::<(), Error>(())
    };
    write(html.to_path_buf(), page.as_bytes())?;
    if let Some(folder) = folder {
        for figure in figures {
            write(folder.join(format!("{}.svg", figure.name)), figure.svg.as_bytes())?;
            write(folder.join(format!("{}.png", figure.name)), &figure.png(PNG_SCALE)?)?;
        }
    }
    Ok(written)
}
