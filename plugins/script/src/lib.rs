//! `script.write`: scenes with narration and keywords from a topic, the user's own text, or an article.
//!
//! Every script says by which method it was made. Without a language model nothing is invented: a text is used
//! word for word or shortened by leaving sentences out, and a bare topic gets a template that says it is one.

mod article;
mod extract;
mod keywords;
mod llm;
mod plan;
mod source;
mod template;
mod types;

use reelmill_sdk::prelude::*;

pub use types::{
    AnswerFormat, ArticleFile, Candidate, Input, Judge, Judgement, Llm, Method, Mode, Price, Scene, Script,
    TokenUsage,
};

/// The stage `script.write`.
pub struct Write;

impl Stage for Write {
    const ID: &'static str = "write";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Writes the scenes of a video from a topic, a text or an article";
    type Input = Input;
    type Output = Script;

    fn traits() -> StageTraits {
        StageTraits {
            // Only a language model is reached over the network; the other methods never open a connection.
            needs: Needs { net: true, ..Needs::default() },
            examples: vec![
                Example {
                    note: "The user's own text, shortened to six scenes of about half a minute".into(),
                    with: json!({ "text": "The sea rises and falls. Twice a day.", "scenes": 6, "seconds": 30 }),
                },
                Example {
                    note: "The best of three scripts of a model, for half a minute, with search terms in English".into(),
                    with: json!({
                        "topic": "Hvorfor er havet salt?", "language": "no", "scenes": 4, "seconds": 30,
                        "candidates": 3, "terms_language": "en",
                        "judge": { "criteria": "Short sentences, no clichés" },
                        "llm": {
                            "base_url": "https://llm.example.org/v1", "model": "large",
                            "price": { "input": 0.5, "output": 1.5 }
                        }
                    }),
                },
                Example {
                    note: "A topic, written by a model behind an OpenAI-compatible endpoint".into(),
                    with: json!({
                        "topic": "How lighthouses work", "scenes": 8, "tone": "calm and precise",
                        "llm": { "base_url": "http://127.0.0.1:11434/v1", "model": "llama3.1" }
                    }),
                },
            ],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Script, StageError> {
        input.check()?;
        let source = source::read(&input)?;
        let mut script = match plan::method(&input, &source)? {
            Method::Llm => llm::write(&input, &source, cx)?,
            Method::Template => template::write(&input, &source)?,
            Method::Verbatim => extract::verbatim(&input, &source),
            Method::Extractive => extract::shorten(&input, &source, cx)?,
        };
        // A model that did not write still knows what to search for.
        if let Some(llm) = input.llm.as_ref().filter(|_| script.method != Method::Llm) {
            llm::find_terms(llm, &input, &source, &mut script, cx)?;
        }
        cx.info(format!(
            "{} scenes, about {:.0} s, method {}",
            script.scenes.len(),
            script.seconds_estimate,
            script.method
        ));
        Ok(script)
    }
}

reelmill_sdk::export_plugin! {
    name: "script",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Scripts for videos: by a language model, or offline from the user's own words",
    stages: [Write],
}
