//! Scalars that are numbers in the core schema of YAML 1.2.

use serde_json::Number;

/// A scalar that is written as a number.
pub(super) enum Numeral {
    Fits(Number),
    TooLarge,
}

impl From<Option<Number>> for Numeral {
    fn from(number: Option<Number>) -> Self {
        number.map_or(Self::TooLarge, Self::Fits)
    }
}

/// A number of the core schema; none when the text is not written as one.
pub(super) fn number(text: &str) -> Option<Numeral> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some((digits, radix)) = unsigned
        .strip_prefix("0x")
        .map(|digits| (digits, 16))
        .or_else(|| unsigned.strip_prefix("0o").map(|digits| (digits, 8)))
    {
        let is_number =
            !digits.is_empty() && unsigned.len() == text.len() && digits.chars().all(|c| c.is_digit(radix));
        return is_number.then(|| u64::from_str_radix(digits, radix).ok().map(Number::from).into());
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !unsigned.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        let parsed =
            whole.parse::<i64>().map(Number::from).or_else(|_| whole.parse::<u64>().map(Number::from));
        return Some(parsed.ok().into());
    }
    let exponent_or_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !unsigned.chars().all(exponent_or_digit) {
        return None;
    }
    text.parse::<f64>().ok().map(|number| Number::from_f64(number).into())
}

#[cfg(test)]
mod tests {
    use super::{Numeral, number};

    #[test]
    fn only_what_is_written_as_a_number_is_one() {
        let shown = |text: &str| match number(text) {
            Some(Numeral::Fits(number)) => number.to_string(),
            Some(Numeral::TooLarge) => "too large".to_owned(),
            None => "text".to_owned(),
        };
        for (text, expected) in [
            ("12", "12"),
            ("+12", "12"),
            ("-3", "-3"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "too large"),
            ("1e999", "too large"),
            ("1_000", "text"),
            ("9:16", "text"),
            ("1.2.3", "text"),
            ("0x", "text"),
            ("-", "text"),
            (".", "text"),
            ("e5", "text"),
            ("2026-01-01", "text"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
