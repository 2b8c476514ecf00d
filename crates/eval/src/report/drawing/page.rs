//! HTML around figures and tables: one page with everything in it.

use super::figure::Figure;
use super::svg::escape;

const STYLE: &str = include_str!("page.css");

/// A whole page: no script, no network, readable in light and dark.
///
/// - `title`: text
/// - `body`: HTML
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n",
        title = escape(title)
    )
}

/// A figure with its caption.
pub(crate) fn figure(figure: &Figure) -> String {
    let Figure { name, caption, svg, .. } = figure;
    let (name, caption) = (escape(name), escape(caption));
    format!("<figure id=\"{name}\">\n{svg}<figcaption>{caption}</figcaption>\n</figure>\n")
}

/// A table whose columns other than the first `words` are numbers. Cells are HTML.
pub(crate) fn table(head: &[&str], words: usize, rows: &[Vec<String>]) -> String {
    let class = |column: usize| if column < words { "" } else { " class=\"number\"" };
    let line = |tag: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
        let cells = cells.enumerate().map(|(column, cell)| format!("<{tag}{}>{cell}</{tag}>", class(column)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let head = if head.is_empty() { String::new() } else { line("th", &mut head.iter().copied()) };
    let rows: String = rows.iter().map(|row| line("td", &mut row.iter().map(String::as_str))).collect();
    format!("<div class=\"table\"><table>\n{head}{rows}</table></div>\n")
}
