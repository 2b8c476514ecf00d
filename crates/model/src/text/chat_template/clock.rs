//! [`LocalTime`]: what a clock on the wall shows, and how `strftime` writes it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::fmt::{self, Display};
use std::str::FromStr;

/// Widths that a format may ask for: more than any date needs, and a template must not fill memory
/// with blanks.
const MAX_WIDTH: usize = 1024;

/// A day, and a time on it, as a clock on the wall shows them. Templates are not told of time
/// zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime(DateTime);

impl LocalTime {
    /// 26 July 2024: the day that the templates of Llama 3 name where no other is told
    /// one. For results that must not depend on when they are made.
    pub const FIXED: Self = Self(jiff::civil::datetime(2024, 7, 26, 0, 0, 0, 0));

    /// The present moment, in the system's time zone; in UTC where that is not known.
    pub fn now() -> Self {
        Self(jiff::ZonedDateTime::now().datetime())
    }

    /// As Python's `datetime.strftime` writes it with glibc in the locale C. Unknown directives
    /// stay as they are.
    pub(super) fn format(self, format: &str) -> String {
        let mut text = String::new();
        let mut rest = format;
        while let Some(start) = rest.find('%') {
            text.push_str(&rest[..start]);
            let directive = Directive::read(&rest[start..]);
            let (whole, after) = rest[start..].split_at(directive.length);
            match directive.conversion.and_then(|conversion| self.field(conversion)) {
                Some(field) => text.push_str(&directive.pad(field)),
                None => text.push_str(whole),
            }
            rest = after;
        }
        text + rest
    }

    /// What a conversion stands for, if it is one.
    fn field(self, conversion: char) -> Option<Field> {
        let Self(time) = self;
        let number = |value: i64, width: usize| Some(Field::Number { value, width, fill: '0' });
        let blank = |value: i8| Some(Field::Number { value: value.into(), width: 2, fill: ' ' });
        let name = |name: &'static str| Some(Field::Name(name.to_owned()));
        let text = |text: String| Some(Field::Text(text));
        let weekday = i64::from(time.weekday().to_sunday_zero_offset());
        let day_of_year = i64::from(time.day_of_year());
        let twelve = (time.hour() + 11) % 12 + 1;
        let half = if time.hour() < 12 { "AM" } else { "PM" };
        let week = time.date().iso_week_date();
        let month = MONTHS[usize::from(time.month().unsigned_abs()) - 1];
        let day = WEEKDAYS[usize::try_from(weekday).unwrap_or(0)];
        match conversion {
            'Y' => number(time.year().into(), 0),
            'C' => number((time.year() / 100).into(), 2),
            'y' => number((time.year() % 100).into(), 2),
            'G' => number(week.year().into(), 0),
            'g' => number((week.year() % 100).into(), 2),
            'm' => number(time.month().into(), 2),
            'd' => number(time.day().into(), 2),
            'e' => blank(time.day()),
            'H' => number(time.hour().into(), 2),
            'I' => number(twelve.into(), 2),
            'k' => blank(time.hour()),
            'l' => blank(twelve),
            'M' => number(time.minute().into(), 2),
            'S' => number(time.second().into(), 2),
            'f' => number((time.subsec_nanosecond() / 1000).into(), 6),
            'j' => number(day_of_year, 3),
            'u' => number((weekday + 6) % 7 + 1, 1),
            'w' => number(weekday, 1),
            // weeks that begin on Sundays, on Mondays, and those of ISO 8601
            'U' => number((day_of_year + 6 - weekday) / 7, 2),
            'W' => number((day_of_year + 6 - (weekday + 6) % 7) / 7, 2),
            'V' => number(week.week().into(), 2),
            'A' => name(day),
            'a' => name(&day[..3]),
            'B' => name(month),
            'b' | 'h' => name(&month[..3]),
            'p' => Some(Field::HalfDay(half)),
            'P' => text(half.to_ascii_lowercase()),
            'c' => text(self.format("%a %b %e %H:%M:%S %Y")),
            'D' | 'x' => text(self.format("%m/%d/%y")),
            'F' => text(self.format("%Y-%m-%d")),
            'r' => text(self.format("%I:%M:%S %p")),
            'R' => text(self.format("%H:%M")),
            'T' | 'X' => text(self.format("%H:%M:%S")),
            's' => number(time.to_zoned_datetime(TimeZone::system()).ok()?.timestamp().as_second(), 1),
            // a time without a zone has no name and no distance of one
            'z' | 'Z' => text(String::new()),
            'n' => text("\n".into()),
            't' => text("\t".into()),
            '%' => text("%".into()),
            _ => None,
        }
    }
}

impl FromStr for LocalTime {
    type Err = String;

    /// A day, or a day and a time.
    fn from_str(text: &str) -> Result<Self, String> {
        let time: DateTime = text.parse().map_err(|_| {
            format!("expected a date such as 2026-03-04, or a date and a time such as 2026-03-04T05:06:07, found {text:?}")
        })?;
        match time.year() {
            1.. => Ok(Self(time)),
            year => Err(format!("expected a year from 1 to 9999, found {year}")),
        }
    }
}

/// As [`FromStr`] reads it: the day alone, if it begins then.
impl Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        if time.time() == jiff::civil::Time::midnight() { time.date().fmt(f) } else { time.fmt(f) }
    }
}

/// A directive's value, before its flags.
enum Field {
    Number {
        value: i64,
        width: usize,
        fill: char,
    },
    /// Of a day or a month: `#` writes it in capitals.
    Name(String),
    /// AM or PM: `#` writes it small.
    HalfDay(&'static str),
    Text(String),
}

/// `%`, flags, a width, a modifier (which changes nothing in the locale C), and the conversion.
struct Directive {
    /// In bytes.
    length: usize,
    /// `_`, `-` or `0`, the last of them.
    fill: Option<char>,
    capitals: bool,
    swapped: bool,
    width: Option<usize>,
    conversion: Option<char>,
}

impl Directive {
    /// - `text`: begins with `%`
    fn read(text: &str) -> Self {
        let is_flag = |c: char| matches!(c, '_' | '-' | '0' | '+' | '^' | '#');
        let flags: String = text[1..].chars().take_while(|&c| is_flag(c)).collect();
        let rest = &text[1 + flags.len()..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let width = (digits > 0).then(|| rest[..digits].parse().unwrap_or(MAX_WIDTH).min(MAX_WIDTH));
        let after = &rest[digits..];
        let modifier = usize::from(after.starts_with(['E', 'O']));
        let conversion = after[modifier..].chars().next();
        Self {
            length: 1 + flags.len() + digits + modifier + conversion.map_or(0, char::len_utf8),
            fill: flags.chars().rfind(|c| matches!(c, '_' | '-' | '0')),
            capitals: flags.contains('^'),
            swapped: flags.contains('#'),
            width,
            conversion,
        }
    }

    fn pad(&self, field: Field) -> String {
        let (text, width, fill) = match field {
            Field::Number { value, width, fill } => (value.to_string(), width, fill),
            Field::Name(name) if self.swapped => (name.to_uppercase(), 0, ' '),
            Field::HalfDay(half) if self.swapped => (half.to_lowercase(), 0, ' '),
            Field::Name(text) | Field::Text(text) => (text, 0, ' '),
            Field::HalfDay(half) => (half.to_owned(), 0, ' '),
        };
        let text = if self.capitals { text.to_uppercase() } else { text };
        let fill = match self.fill {
            Some('-') => return text,
            Some('_') => ' ',
            Some(_) => '0',
            None => fill,
        };
        let missing = self.width.unwrap_or(width).saturating_sub(text.chars().count());
        fill.to_string().repeat(missing) + &text
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for text in ["2026-03-04", "2026-03-04T05:06:07", "0001-01-01"] {
            assert_eq!(text.parse::<LocalTime>().unwrap().to_string(), text);
        }
        let midnight: LocalTime = "2026-03-04T00:00:00".parse().unwrap();
        assert_eq!(midnight.to_string(), "2026-03-04");
        for text in ["", "today", "04.03.2026", "2026-02-29", "2026-3-4", "-000001-01-01"] {
            let error = text.parse::<LocalTime>().unwrap_err();
            assert!(error.contains("expected a") && error.contains("found"), "{error}");
        }
    }

    #[test]
    fn widths_are_bounded() {
        let time: LocalTime = "2026-03-04".parse().unwrap();
        assert_eq!(time.format("%99999999999999999999999d").len(), MAX_WIDTH);
        assert_eq!(time.format("%999999999F").len(), MAX_WIDTH);
    }

    #[test]
    fn now_is_a_day_of_this_age() {
        let now = LocalTime::now();
        assert!(now.format("%Y").parse::<u32>().unwrap() >= 2025, "{now}");
        assert_eq!(now.to_string().parse::<LocalTime>().unwrap(), now);
    }
}
