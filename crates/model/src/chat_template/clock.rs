//! Dates for templates: the directives of `strftime` that they use, in UTC.

use minijinja::{Error, ErrorKind};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

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
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// A moment, written as a format says.
pub(super) fn format(time: SystemTime, format: &str) -> Result<String, Error> {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let month_name = MONTHS[month];
    let weekday = WEEKDAYS[usize::try_from(days % 7).unwrap_or(0)];
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let directive = characters.next();
        let written = match directive {
            Some('Y') => write!(text, "{year:04}"),
            Some('y') => write!(text, "{:02}", year % 100),
            Some('m') => write!(text, "{:02}", month + 1),
            Some('B') => write!(text, "{month_name}"),
            Some('b') => write!(text, "{}", &month_name[..3]),
            Some('d') => write!(text, "{day:02}"),
            Some('A') => write!(text, "{weekday}"),
            Some('a') => write!(text, "{}", &weekday[..3]),
            Some('H') => write!(text, "{hour:02}"),
            Some('I') => write!(text, "{:02}", (hour + 11) % 12 + 1),
            Some('p') => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
            Some('M') => write!(text, "{minute:02}"),
            Some('S') => write!(text, "{second:02}"),
            Some('%') => write!(text, "%"),
            other => {
                let found = other.map_or("%".to_owned(), |c| format!("%{c}"));
                let message = format!(
                    "strftime_now: expected one of %Y %y %m %B %b %d %A %a %H %I %p %M %S %%, found {found}"
                );
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
        written.map_err(|e| Error::new(ErrorKind::WriteFailure, e.to_string()))?;
    }
    Ok(text)
}

/// Year, month from 0 and day from 1 of a day counted from 1970-01-01.
fn date(mut days: u64) -> (u64, usize, u64) {
    // Whole periods of 400 years first, so that a hostile clock costs nothing.
    let mut year = 1970 + 400 * (days / 146_097);
    days %= 146_097;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64, text: &str) -> String {
        format(UNIX_EPOCH + Duration::from_secs(seconds), text).unwrap()
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(at(0, "%A %d %B %Y %H:%M:%S"), "Thursday 01 January 1970 00:00:00");
        assert_eq!(at(951_782_400, "%a %d %b %y"), "Tue 29 Feb 00");
        assert_eq!(at(1_721_995_200, "%d %b %Y, %I %p"), "26 Jul 2024, 12 PM");
        assert_eq!(at(4_107_542_399, "%Y-%m-%d %H:%M:%S 100%%"), "2100-02-28 23:59:59 100%");
        assert_eq!(at(4_107_542_400, "%Y-%m-%d"), "2100-03-01");
        assert!(format(UNIX_EPOCH, "%j").unwrap_err().to_string().contains("%j"));
        assert!(format(UNIX_EPOCH, "%").is_err());
    }
}
