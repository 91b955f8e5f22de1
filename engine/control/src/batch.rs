//! Batches: a row of a table is a run. Every row is checked before the first one starts, and a batch that was cut
//! short goes on where it was.

use crate::prepare::Pipeline;
use crate::submit::Submission;
use crate::{Control, ControlError};
use indexmap::IndexMap;
use reelmill_graph::InputDef;
use reelmill_model::{RunId, RunState, limits};
use reelmill_ports::{RunFilter, RunView};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// One row: the inputs of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its line in the file, from 1, for messages.
    pub line: u64,
    /// Its inputs as given.
    pub inputs: Map<String, Value>,
}

impl Row {
    /// The row with the inputs that all rows share beneath its own.
    fn over(&self, shared: &Map<String, Value>) -> Self {
        let mut inputs = shared.clone();
        inputs.extend(self.inputs.clone());
        Self { line: self.line, inputs }
    }
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

/// A batch that was submitted.
#[derive(Clone, Debug, Serialize)]
pub struct Batch {
    /// Its id: the same for the same pipeline and the same rows.
    pub id: String,
    /// Rows in all.
    pub rows: usize,
    /// Rows that were submitted now.
    pub submitted: usize,
    /// Rows that were there already and had ended well.
    pub done_before: usize,
}

/// Reads rows: JSON lines when the name ends in `.jsonl` or `.ndjson`, else CSV with a header. In CSV an empty
/// cell means that the input is not given.
pub fn read_rows(
    path: &Path,
    text: &str,
    inputs: &IndexMap<String, InputDef>,
) -> Result<Vec<Row>, Vec<RowProblem>> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" => read_json_lines(text),
        _ => read_csv(text, inputs),
    }
}

fn read_json_lines(text: &str) -> Result<Vec<Row>, Vec<RowProblem>> {
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        match serde_json::from_str(text) {
            Ok(inputs) => rows.push(Row { line, inputs }),
            Err(error) => {
                problems.push(RowProblem { line, message: format!("is no JSON object: {error}") });
            }
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

fn read_csv(text: &str, inputs: &IndexMap<String, InputDef>) -> Result<Vec<Row>, Vec<RowProblem>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let problem = |line, message: String| RowProblem { line, message };
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(vec![problem(1, format!("the header cannot be read: {error}"))]),
    };
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                let cells = header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
                let value = |name: &str, cell: &str| match inputs.get(name) {
                    Some(def) => reelmill_spec::parse_flag(def, cell),
                    None => Value::from(cell),
                };
                let inputs = cells.map(|(name, cell)| (name.to_owned(), value(name, cell))).collect();
                rows.push(Row { line, inputs });
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                problems.push(problem(line, error.to_string()));
            }
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

impl Control {
    /// Checks every row, then submits those that are not there yet. `like` gives everything but the inputs and
    /// the ids.
    pub async fn submit_batch(
        &self,
        pipeline: &Pipeline,
        rows: &[Row],
        like: &Submission,
        new_id: impl Fn(u64) -> RunId,
    ) -> Result<Batch, ControlError> {
        let rows: Vec<Row> = rows.iter().map(|row| row.over(&like.inputs)).collect();
        check_rows(pipeline, &rows)?;
        let id = batch_id(pipeline, &rows);
        let known = self.batch_runs(&id).await?;
        let known: HashMap<u64, RunState> =
            known.iter().filter_map(|run| Some((run.new.batch.as_ref()?.1, run.state))).collect();
        self.store.put_graph(pipeline.digest, pipeline.graph.clone()).await?;
        let mut submitted = 0;
        for (index, row) in (0_u64..).zip(&rows) {
            if known.contains_key(&index) {
                continue;
            }
            let inputs = row.inputs.clone();
            let submission =
                Submission { id: new_id(index), inputs, batch: Some((id.clone(), index)), ..like.clone() };
            let new = self.new_run(pipeline, submission).await.map_err(|error| {
                ControlError::Rows(vec![RowProblem { line: row.line, message: error.to_string() }])
            })?;
            submitted += usize::from(!self.submit_once(new).await?.existing);
        }
        let done_before = known.values().filter(|state| **state == RunState::Succeeded).count();
        Ok(Batch { id, rows: rows.len(), submitted, done_before })
    }

    /// Every run of a batch, newest first.
    pub async fn batch_runs(&self, id: &str) -> Result<Vec<RunView>, ControlError> {
        let mut runs = Vec::new();
        let mut before = None;
        loop {
            let filter = RunFilter {
                batch: Some(id.to_owned()),
                before,
                limit: limits::PAGE_ROWS_MAX,
                ..RunFilter::default()
            };
            let page = self.store.runs(filter).await?;
            let Some(last) = page.last() else { return Ok(runs) };
            before = Some(last.new.id);
            runs.extend(page);
        }
    }
}

fn check_rows(pipeline: &Pipeline, rows: &[Row]) -> Result<(), ControlError> {
    let problems: Vec<RowProblem> = rows
        .iter()
        .flat_map(|row| {
            let problems =
                reelmill_spec::resolve(&pipeline.graph.inputs, &row.inputs).err().unwrap_or_default();
            problems
                .into_iter()
                .map(|problem| RowProblem { line: row.line, message: problem.to_string() })
                .collect::<Vec<_>>()
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(ControlError::Rows(problems)) }
}

/// The same pipeline with the same rows is the same batch.
fn batch_id(pipeline: &Pipeline, rows: &[Row]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&pipeline.digest.0);
    for row in rows {
        hasher.update(Value::Object(row.inputs.clone()).to_string().as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex()[..16].to_owned()
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

    #[test]
    fn cells_take_the_type_of_their_input_and_empty_ones_are_not_given() {
        let rows = read_rows(Path::new("a.csv"), "topic,scenes\n\"a, b\",3\nc,\n", &inputs()).expect("rows");
        assert_eq!(rows[0], Row { line: 2, inputs: json_map(&json!({"topic": "a, b", "scenes": 3})) });
        assert_eq!(rows[1], Row { line: 3, inputs: json_map(&json!({"topic": "c"})) });
    }

    #[test]
    fn every_bad_line_is_named() {
        let problems =
            read_rows(Path::new("a.jsonl"), "{\"topic\": 1}\n\n[]\nx\n", &inputs()).expect_err("bad");
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [3, 4]);
        let problems = read_rows(Path::new("a.csv"), "topic,scenes\na,1,2\n", &inputs()).expect_err("bad");
        assert_eq!(problems[0].line, 2);
    }

    fn json_map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }
}
