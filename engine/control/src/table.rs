//! Tables: a row is the inputs of a run. CSV with a header, or JSON lines. Rows are read one at a time, so that a table
//! may be larger than the memory.

use crate::ControlError;
use indexmap::IndexMap;
use reelmill_graph::InputDef;
use reelmill_model::limits::TABLE_LINE_BYTES_MAX;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

/// One row: the inputs of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its line in the file, from 1, for messages.
    pub line: u64,
    /// Its inputs as given.
    pub inputs: Map<String, Value>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

fn problem(line: u64, message: impl Into<String>) -> RowProblem {
    RowProblem { line, message: message.into() }
}

type Bytes = Box<dyn BufRead + Send>;

/// The rows of a table, one after another.
pub struct Rows<'p> {
    /// What cells are read as.
    inputs: &'p IndexMap<String, InputDef>,
    form: Form,
}

enum Form {
    Csv {
        header: csv::StringRecord,
        records: csv::StringRecordsIntoIter<Bytes>,
    },
    Lines {
        bytes: Bytes,
        line: u64,
    },
    /// The header could not be read.
    Broken(Option<RowProblem>),
}

impl<'p> Rows<'p> {
    /// Opens a table: JSON lines when the name ends in `.jsonl` or `.ndjson`, else CSV with a header. In CSV an empty
    /// cell means that the input is not given.
    pub fn open(path: &Path, inputs: &'p IndexMap<String, InputDef>) -> Result<Self, ControlError> {
        let file = File::open(path).map_err(|source| ControlError::Io { path: path.to_owned(), source })?;
        Ok(Self::read(path, Box::new(BufReader::new(file)), inputs))
    }

    fn read(path: &Path, bytes: Bytes, inputs: &'p IndexMap<String, InputDef>) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let form = match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Form::Lines { bytes, line: 0 },
            _ => csv_form(bytes),
        };
        Self { inputs, form }
    }
}

fn csv_form(bytes: Bytes) -> Form {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    match reader.headers() {
        Ok(header) => Form::Csv { header: header.clone(), records: reader.into_records() },
        Err(error) => Form::Broken(Some(problem(1, format!("the header cannot be read: {error}")))),
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, RowProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.form {
            Form::Csv { header, records } => Some(csv_row(self.inputs, header, records.next()?)),
            Form::Lines { bytes, line } => json_row(bytes, line),
            Form::Broken(problem) => problem.take().map(Err),
        }
    }
}

fn csv_row(
    inputs: &IndexMap<String, InputDef>,
    header: &csv::StringRecord,
    record: csv::Result<csv::StringRecord>,
) -> Result<Row, RowProblem> {
    let record = record
        .map_err(|error| problem(error.position().map_or(0, csv::Position::line), error.to_string()))?;
    let line = record.position().map_or(0, csv::Position::line);
    let cells = header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
    let value = |name: &str, cell: &str| match inputs.get(name) {
        Some(def) => reelmill_spec::parse_flag(def, cell),
        None => Value::from(cell),
    };
    let inputs = cells.map(|(name, cell)| (name.to_owned(), value(name, cell))).collect();
    Ok(Row { line, inputs })
}

/// The next line that is not empty.
fn json_row(bytes: &mut Bytes, line: &mut u64) -> Option<Result<Row, RowProblem>> {
    loop {
        let mut text = Vec::new();
        let most = TABLE_LINE_BYTES_MAX as u64 + 1;
        *line += 1;
        match bytes.by_ref().take(most).read_until(b'\n', &mut text) {
            Ok(0) => return None,
            Ok(_) if text.len() > TABLE_LINE_BYTES_MAX => {
                if let Err(error) = bytes.skip_until(b'\n') {
                    return Some(Err(problem(*line, error.to_string())));
                }
                let message =
                    format!("has more than {TABLE_LINE_BYTES_MAX} bytes; pass large data as a file");
                return Some(Err(problem(*line, message)));
            }
            Ok(_) if text.trim_ascii().is_empty() => {}
            Ok(_) => {
                let row = serde_json::from_slice(&text);
                let row = row.map(|inputs| Row { line: *line, inputs });
                return Some(row.map_err(|error| problem(*line, format!("is no JSON object: {error}"))));
            }
            Err(error) => return Some(Err(problem(*line, error.to_string()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn inputs() -> IndexMap<String, InputDef> {
        let text =
            "version: 1\nname: t\ninputs:\n  topic: {type: string}\n  scenes: {type: int}\nstages: {}\n";
        reelmill_spec::parse(text).0.map(|spec| spec.inputs).unwrap_or_default()
    }

    fn read(name: &str, text: &str) -> Vec<Result<Row, RowProblem>> {
        let bytes = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
        Rows::read(Path::new(name), bytes, &inputs()).collect()
    }

    fn row(line: u64, inputs: &Value) -> Row {
        Row { line, inputs: inputs.as_object().cloned().unwrap_or_default() }
    }

    #[test]
    fn cells_take_the_type_of_their_input_and_empty_ones_are_not_given() {
        let rows = read("a.csv", "topic,scenes\n\"a, b\",3\nc,\n");
        assert_eq!(
            rows,
            [Ok(row(2, &json!({"topic": "a, b", "scenes": 3}))), Ok(row(3, &json!({"topic": "c"})))]
        );
    }

    #[test]
    fn every_bad_line_is_named_and_the_next_is_read() {
        let lines = |rows: &[Result<Row, RowProblem>]| {
            rows.iter().filter_map(|row| Some(row.as_ref().err()?.line)).collect::<Vec<_>>()
        };
        let long = format!("{{\"topic\": \"{}\"}}", "x".repeat(TABLE_LINE_BYTES_MAX));
        let rows = read("a.jsonl", &format!("{{\"topic\": \"1\"}}\n\n[]\nx\n{long}\n{{\"scenes\": 2}}"));
        assert_eq!(lines(&rows), [3, 4, 5]);
        assert_eq!(rows.last(), Some(&Ok(row(6, &json!({"scenes": 2})))));
        let rows = read("a.csv", "topic,scenes\na,1,2\nb,3\n");
        assert_eq!((lines(&rows), rows.len()), (vec![2], 2));
    }
}
