//! Where a stage wants advice, and where it puts outcomes: properties that its schemas mark.

use super::Recall;
use reelmill_learn::Outcome;
use reelmill_model::limits::MEMORY_OUTCOMES_PER_ATTEMPT_MAX;
use serde_json::Value;

/// Properties of a schema with this mark, and what it says.
fn marked<'a>(schema: &'a Value, mark: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.filter_map(move |(name, schema)| Some((name.as_str(), schema.get(mark)?.as_str()?)))
}

/// Puts what is remembered into `with`, where the stage wants it and nothing stands yet.
pub(crate) async fn advised(with: &mut Value, schema: &Value, recall: &Recall) {
    for (name, kind) in marked(schema, "x-advice") {
        let Value::Object(with) = &mut *with else { return };
        if !with.contains_key(name) {
            let advice = recall.advice(kind).await;
            // It is made of texts and numbers: it can be written.
            with.insert(name.to_owned(), serde_json::to_value(&*advice).unwrap_or_default());
        }
    }
}

/// Remembers the outcomes that a stage put out.
pub(crate) fn outcomes(outputs: &Value, schema: &Value, recall: &Recall) {
    for (name, kind) in marked(schema, "x-outcomes") {
        let told = match outputs.get(name) {
            Some(Value::Array(all)) => all.as_slice(),
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            _ => continue,
        };
        for one in told.iter().take(MEMORY_OUTCOMES_PER_ATTEMPT_MAX) {
            match serde_json::from_value::<Outcome>(one.clone()) {
                Ok(outcome) => recall.note(kind, outcome),
                Err(error) => tracing::warn!(%error, property = name, "a stage put out what is no outcome"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_memory::open;
    use serde_json::json;

    #[tokio::test]
    async fn advice_comes_in_where_it_is_wanted_and_outcomes_are_taken_where_they_are_put() {
        let folder = tempfile::tempdir().unwrap();
        let recall = Recall::new(open(None, &folder.path().join("memory.db")).unwrap(), "here", "w");
        let outputs = json!({
            "one": { "arm": "fast", "seconds": 1.0 },
            "more": [{ "arm": "slow" }, { "no": "arm" }, { "arm": "slow", "odd": 1 }],
            "other": { "arm": "unmarked" },
        });
        let schema = json!({ "properties": {
            "one": { "x-outcomes": "encode" },
            "more": { "type": "array", "x-outcomes": "encode" },
            "missing": { "x-outcomes": "encode" },
            "other": {},
        } });
        // Asked first, so that what is noted counts at once.
        recall.advice("encode").await;
        outcomes(&outputs, &schema, &recall);
        let schema = json!({ "properties": {
            "advice": { "x-advice": "encode" },
            "given": { "x-advice": "encode" },
            "text": { "type": "string" },
        } });
        let mut with = json!({ "given": { "arms": [] } });
        advised(&mut with, &schema, &recall).await;
        let arms = with["advice"]["arms"].as_array().unwrap();
        let names: Vec<_> = arms.iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
        assert_eq!(names, ["fast", "slow"]);
        assert_eq!(with["given"], json!({ "arms": [] }), "what was said is left alone");
        assert!(with.get("text").is_none());
    }
}
