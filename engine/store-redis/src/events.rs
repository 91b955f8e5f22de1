//! Events as they lie in the stream of a partition: one entry a step. What they say of themselves is often the same, so
//! an entry holds each such text once, in front, and its events name it by its place.

use crate::pen::{Eye, Pen};
use reelmill_lifecycle::{Changes, Damage};
use reelmill_model::{Event, EventKind, RunId, TaskNo};
use serde_json::Value;
use std::collections::HashMap;

/// Set in the byte of an event's kind: it is of the same run as the event before.
const SAME_RUN: u8 = 0x80;

/// The texts of one step.
#[derive(Debug, Default)]
pub struct Texts {
    places: HashMap<Vec<u8>, u64>,
    in_order: Vec<Vec<u8>>,
}

impl Texts {
    /// The place of a value's JSON, from 1; 0 for nothing.
    fn place(&mut self, value: &Value) -> u64 {
        if value.is_null() {
            return 0;
        }
        // Values in memory always have a JSON form.
        let text = serde_json::to_vec(value).unwrap_or_default();
        if let Some(place) = self.places.get(&text) {
            return *place;
        }
        self.in_order.push(text.clone());
        let place = self.in_order.len() as u64;
        self.places.insert(text, place);
        place
    }

    /// The bytes of all.
    pub fn done(self) -> Vec<u8> {
        let mut pen = Pen::default();
        for text in &self.in_order {
            pen.bytes(text);
        }
        pen.done()
    }
}

/// The bytes of what happened in one run.
pub fn write(run: RunId, changes: &Changes, texts: &mut Texts) -> Vec<u8> {
    let mut pen = Pen::default();
    for (no, event) in changes.events.iter().enumerate() {
        let kind = event.kind as u8;
        if no == 0 {
            pen.byte(kind);
            pen.raw(&crate::keys::run_bytes(run));
        } else {
            pen.byte(kind | SAME_RUN);
        }
        pen.maybe(event.task.map(|no| no.0));
        pen.maybe(event.attempt);
        pen.number(texts.place(&event.data));
    }
    pen.done()
}

/// Events with their texts, each without its cursor.
pub fn read(bytes: &[u8], texts: &[u8], at_ms: u64) -> Result<Vec<Event>, Damage> {
    let (mut values, mut eye) = (Vec::new(), Eye::new(texts));
    while !eye.is_over() {
        values.push(eye.json::<Value>()?);
    }
    let (mut events, mut eye, mut run) = (Vec::new(), Eye::new(bytes), None);
    while !eye.is_over() {
        let byte = eye.byte()?;
        let kind = EventKind::ALL.get(usize::from(byte & !SAME_RUN)).copied();
        let kind = kind.ok_or_else(|| Damage("an event has no kind".into()))?;
        if byte & SAME_RUN == 0 {
            run = Some(crate::keys::run_id(eye.take(16)?)?);
        }
        let run = run.ok_or_else(|| Damage("an event has no run".into()))?;
        let (task, attempt) = (eye.maybe_small()?.map(TaskNo), eye.maybe_small()?);
        let data = match usize::try_from(eye.number()?).unwrap_or(usize::MAX) {
            0 => Value::Null,
            place => values
                .get(place - 1)
                .cloned()
                .ok_or_else(|| Damage("an event names a text that is not there".into()))?,
        };
        events.push(Event { cursor: 0, at_ms, kind, run, task, attempt, data });
    }
    Ok(events)
}
