//! Durations (`90s`, `10m`, `1h30m`, `500ms`) and bytes (`6Gi`, `500M`, `1024`).

/// Milliseconds of a duration; none when the text is no duration.
///
/// One or more whole numbers, each with its unit `d h m s ms`, largest unit first, each unit once.
#[must_use]
pub fn duration_ms(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut next_unit = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = &rest[..letters];
        rest = &rest[letters..];
        let place = UNITS.iter().position(|(name, _)| *name == unit)?;
        if place < next_unit {
            return None;
        }
        next_unit = place + 1;
        total = total.checked_add(number.checked_mul(UNITS[place].1)?)?;
    }
    Some(total)
}

/// Bytes of a size; none when the text is no size.
///
/// A number, whole or with decimals, and an optional unit: `K M G T` are powers of 1000,
/// `Ki Mi Gi Ti` of 1024, each with an optional `B`.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start().strip_suffix('B').unwrap_or(unit.trim_start()) {
        "" => 1,
        "K" | "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if decimals.len() > 9 || (number.contains('.') && decimals.is_empty()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let mut total = whole.checked_mul(factor)?;
    if !decimals.is_empty() {
        let scale = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
        let part = u128::from(decimals.parse::<u64>().ok()?) * u128::from(factor) / scale;
        total = total.checked_add(u64::try_from(part).ok()?)?;
    }
    Some(total)
}

/// A size as a pipeline says it, cut to a tenth of its unit: `6Gi`, `139.8Gi`, `512`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let Some((unit, shift)) = units.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return bytes.to_string();
    };
    let rest = bytes & ((1 << shift) - 1);
    match ((rest >> (shift - 10)) * 10) >> 10 {
        0 => format!("{}{unit}", bytes >> shift),
        tenths => format!("{}.{tenths}{unit}", bytes >> shift),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("90s", Some(90_000)),
            ("10m", Some(600_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1m5ms", Some(60_005)),
            ("2d", Some(172_800_000)),
            ("0s", Some(0)),
            ("", None),
            ("10", None),
            ("m", None),
            ("5s1m", None),
            ("1s1s", None),
            ("1.5h", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("6Gi", Some(6 << 30)),
            ("500M", Some(500_000_000)),
            ("1.5K", Some(1_500)),
            ("0.5Ki", Some(512)),
            ("7", Some(7)),
            ("7B", Some(7)),
            ("20 GiB", Some(20 << 30)),
            ("", None),
            ("G", None),
            ("1.", None),
            ("1X", None),
            ("99999999999T", None),
        ] {
            assert_eq!(bytes(text), size, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_said_as_they_are_read() {
        let said: Vec<String> =
            [0, 512, 1 << 10, 6 << 30, (6 << 30) - 1, 150_120_431_616, u64::MAX].map(size).into();
        assert_eq!(said, ["0", "512", "1Ki", "6Gi", "5.9Gi", "139.8Gi", "16777215.9Ti"]);
        assert_eq!(bytes(&size(6 << 30)), Some(6 << 30));
        let off = (150_120_431_616 - bytes(&size(150_120_431_616)).expect("it is read")) >> 20;
        assert!(off < 103, "less than a tenth: {off} MiB");
    }
}
