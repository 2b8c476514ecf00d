//! What Python's `str` methods take characters for, where Rust's standard library has no such
//! question.

/// Where the decimal digits of each script begin, in Unicode 14 (`unicodedata.decimal` of Python
/// 3.11).
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// Digits that are no decimal ones (superscripts, circled digits), first and last of each run.
const OTHER_DIGITS: [(u32, u32); 20] = [
    (0xb2, 0xb3),
    (0xb9, 0xb9),
    (0x1369, 0x1371),
    (0x19da, 0x19da),
    (0x2070, 0x2070),
    (0x2074, 0x2079),
    (0x2080, 0x2089),
    (0x2460, 0x2468),
    (0x2474, 0x247c),
    (0x2488, 0x2490),
    (0x24ea, 0x24ea),
    (0x24f5, 0x24fd),
    (0x24ff, 0x24ff),
    (0x2776, 0x277e),
    (0x2780, 0x2788),
    (0x278a, 0x2792),
    (0x10a40, 0x10a43),
    (0x10e60, 0x10e68),
    (0x11052, 0x1105a),
    (0x1f100, 0x1f10a),
];

/// What `str.isdecimal` accepts.
pub(super) fn is_decimal(character: char) -> bool {
    let code = u32::from(character);
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&code))
}

/// What `str.isdigit` accepts.
pub(super) fn is_digit(character: char) -> bool {
    let code = u32::from(character);
    is_decimal(character) || OTHER_DIGITS.iter().any(|&(first, last)| (first..=last).contains(&code))
}

/// Neither small nor capital, but both: Dz and its kin.
fn is_title(character: char) -> bool {
    let greek = |code: u32| matches!(code, 0x1f88..=0x1faf) && code & 8 != 0;
    let code = u32::from(character);
    matches!(code, 0x1c5 | 0x1c8 | 0x1cb | 0x1f2 | 0x1fbc | 0x1fcc | 0x1ffc) || greek(code)
}

/// What `str.isupper` and `str.istitle` accept as the beginning of a word.
pub(super) fn is_capital(character: char) -> bool {
    character.is_uppercase() || is_title(character)
}

/// Letters that are small, capital or both.
pub(super) fn is_cased(character: char) -> bool {
    character.is_lowercase() || is_capital(character)
}

/// A word's first letter as titles have it, where that is no capital: `ß` is `Ss`.
pub(super) fn title_case(character: char) -> String {
    let code = u32::from(character);
    let digraph = match code {
        0x1c4..=0x1c6 => Some('\u{1c5}'),
        0x1c7..=0x1c9 => Some('\u{1c8}'),
        0x1ca..=0x1cc => Some('\u{1cb}'),
        0x1f1..=0x1f3 => Some('\u{1f2}'),
        _ => None,
    };
    if let Some(digraph) = digraph {
        return digraph.to_string();
    }
    let mut capitals = character.to_uppercase();
    let first = capitals.next().unwrap_or(character);
    [first].into_iter().chain(capitals.flat_map(char::to_lowercase)).collect()
}
