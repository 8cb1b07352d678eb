//! Formats numbers, times and tables for display.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// An integer with thousands separators.
pub fn thousands(number: u64) -> String {
    let plain = number.to_string();
    let mut text = String::new();
    for (i, character) in plain.chars().enumerate() {
        if i > 0 && (plain.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(character);
    }
    text
}

/// A byte count in the largest unit that keeps the number above one.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

/// A word as a POSIX shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A number with three or more significant figures, such as 0.0123, 4.57, 89.1 or 1,234.
pub fn significant(number: f64) -> String {
    match number.abs() {
        _ if !number.is_finite() => number.to_string(),
        0.0 => "0".to_owned(),
        size @ ..1.0 => format!("{number:.places$}", places = (2 - size.log10().floor() as i32).clamp(0, 9) as usize),
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        size => format!("{}{}", if number < 0.0 { "-" } else { "" }, thousands(size.round() as u64)),
    }
}

/// Escapes text for HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Date and time in UTC, to the minute.
pub fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ([year, month, day], minutes) = (civil(seconds / 86_400), seconds / 60 % 1440);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// Year, month and day from days since 1970-01-01: Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`. Years start in March there, so that a leap day is the last of a year.
fn civil(days: u64) -> [u64; 3] {
    let days = days + 719_468; // since 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    [400 * era + year + next, month, day]
}

/// Formats rows of equal length, header first, as aligned columns: numbers right-aligned, text left-aligned, the last
/// column unpadded.
pub fn columns(rows: &[impl AsRef<[String]>]) -> String {
    let count = rows.first().map_or(0, |row| row.as_ref().len());
    let column = |column: usize| rows.iter().map(move |row| row.as_ref()[column].as_str());
    let widths: Vec<usize> =
        (0..count).map(|i| column(i).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    let numeric: Vec<bool> = (0..count).map(|i| column(i).skip(1).all(is_number)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (column, cell) in row.as_ref().iter().enumerate() {
            let width = if column + 1 == count { 0 } else { widths[column] };
            let _ = if numeric[column] { write!(line, " {cell:>width$} ") } else { write!(line, " {cell:<width$} ") };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Whether a cell is a number, possibly with thousands separators or a percent sign, or a placeholder.
fn is_number(cell: &str) -> bool {
    cell == "-" || cell.trim_end_matches(" %").replace(',', "").parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([12, 3_260_000, 128 << 30].map(bytes), ["12 B", "3.3 MB", "137.4 GB"]);
        let numbers = [0.0, 0.001_234, 0.5, 1.0, 9.87, 54.32, 543.2, -12_345.6];
        assert_eq!(numbers.map(significant), ["0", "0.00123", "0.500", "1.00", "9.87", "54.3", "543", "-12,346"]);
    }

    #[test]
    fn days_have_their_dates() {
        let days = [0, 59, 11_016, 11_017, 20_780, 47_540];
        let dates = [[1970, 1, 1], [1970, 3, 1], [2000, 2, 29], [2000, 3, 1], [2026, 11, 23], [2100, 2, 28]];
        assert_eq!(days.map(civil), dates);
    }

    #[test]
    fn columns_are_aligned_as_suits_them() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let rows = [row(["name", "us", "roof"]), row(["a", "1,234", "copy"]), row(["long one", "5 %", "f32"])];
        assert_eq!(columns(&rows), "  name         us  roof\n  a         1,234  copy\n  long one    5 %  f32\n");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_part_or_change_them() {
        assert_eq!(["steps", "a/b-1.x", ""].map(quoted), ["steps", "a/b-1.x", "''"]);
        assert_eq!(["my data", "it's", "$HOME", "a;b"].map(quoted), ["'my data'", r"'it'\''s'", "'$HOME'", "'a;b'"]);
    }
}
