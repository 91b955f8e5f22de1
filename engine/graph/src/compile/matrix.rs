//! The combinations of a matrix, by the rules people know from GitHub Actions: the product of the dimensions,
//! less `exclude`, then `include` adds values to the combinations it agrees with, or a combination of its own.

use reelmill_model::Item;
use reelmill_model::limits::{ITEM_KEY_BYTES_MAX, MATRIX_BYTES_MAX, MATRIX_MAX};
use reelmill_spec::spec::Matrix;
use reelmill_spec::{Code, Diagnostic};
use serde_json::{Map, Value};
use std::collections::HashSet;

type Row = Map<String, Value>;

/// The combinations in order, each with its key.
pub fn expand(matrix: &Matrix) -> Result<Vec<Item>, Box<Diagnostic>> {
    let wrong = |message: String, help: &str| {
        Box::new(Diagnostic::error(Code::BadMatrix, matrix.span, message).help(help))
    };
    let bytes =
        serde_json::to_string(&(&matrix.dimensions, &matrix.include)).map_or(usize::MAX, |text| text.len());
    if bytes > MATRIX_BYTES_MAX {
        let message = format!("the matrix has {bytes} bytes, at most {MATRIX_BYTES_MAX} are allowed");
        return Err(wrong(message, "put large values into inputs or files and name them here"));
    }
    let lengths = matrix.dimensions.values().map(Vec::len);
    let product = lengths.fold(1_usize, usize::saturating_mul);
    let too_many = |count: usize| {
        let message = format!("the matrix has {count} combinations, at most {MATRIX_MAX} are allowed");
        wrong(message, "leave out values, or use `for_each`")
    };
    if product > 4 * MATRIX_MAX {
        return Err(too_many(product));
    }
    let rows = rows(matrix);
    if rows.len() > MATRIX_MAX {
        return Err(too_many(rows.len()));
    }
    if rows.is_empty() {
        return Err(wrong("the matrix has no combination".to_owned(), "name values, or leave out less"));
    }
    let mut keys = HashSet::new();
    let mut items = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        if key.len() > ITEM_KEY_BYTES_MAX {
            let message = format!(
                "the key of a combination has {} bytes, at most {ITEM_KEY_BYTES_MAX} are allowed",
                key.len()
            );
            return Err(wrong(message, "use short values; put long ones into `include`"));
        }
        if !keys.insert(key.clone()) {
            return Err(wrong(format!("two combinations have the key `{key}`"), "remove one of them"));
        }
        items.push(Item { key, value: Value::Object(row) });
    }
    Ok(items)
}

fn rows(matrix: &Matrix) -> Vec<(String, Row)> {
    let mut rows = product(matrix);
    let excluded =
        |row: &Row| matrix.exclude.iter().any(|rule| rule.iter().all(|(k, v)| row.get(k) == Some(v)));
    rows.retain(|row| !excluded(row));
    let keys: Vec<String> = rows.iter().map(|row| key(row.values())).collect();
    let mut rows: Vec<(String, Row)> = keys.into_iter().zip(rows).collect();
    let original = rows.len();
    for extra in &matrix.include {
        let mut added = false;
        for (_, row) in &mut rows[..original] {
            let agrees = matrix
                .dimensions
                .keys()
                .all(|name| extra.get(name).is_none_or(|value| row.get(name) == Some(value)));
            if agrees {
                row.extend(extra.clone());
                added = true;
            }
        }
        if !added {
            rows.push((key(extra.values()), extra.clone()));
        }
    }
    rows
}

fn product(matrix: &Matrix) -> Vec<Row> {
    if matrix.dimensions.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![Row::new()];
    for (name, values) in &matrix.dimensions {
        let with = |row: &Row, value: &Value| {
            let mut row = row.clone();
            row.insert(name.clone(), value.clone());
            row
        };
        rows = rows.iter().flat_map(|row| values.iter().map(move |value| with(row, value))).collect();
    }
    rows
}

/// The values joined by commas. What cannot stand in a task's path becomes `_`.
fn key<'v>(values: impl Iterator<Item = &'v Value>) -> String {
    let word = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let clean = |c: char| if c.is_control() || matches!(c, '/' | '[' | ']') { '_' } else { c };
        text.chars().map(clean).collect::<String>()
    };
    let key = values.map(word).collect::<Vec<_>>().join(",");
    if key.is_empty() { "_".to_owned() } else { key }
}
