//! `metadata.write`: what is said of a video on each platform, within what the platform takes. From the script's own
//! words, or by a language model when one is given; which of the two is said in the outputs.
#![expect(clippy::doc_markdown, reason = "platforms are called what they are called")]

mod fit;
mod hashtag;
mod llm;
mod platform;
mod types;
mod write;

#[cfg(test)]
mod tests;

use reelmill_sdk::prelude::*;

pub use platform::Platform;
pub use types::{Input, Metadata, Method, Texts};

/// The stage `metadata.write`.
pub struct Write;

impl Stage for Write {
    const ID: &'static str = "write";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "Writes title, description, tags and hashtags for each platform, within its limits";
    type Input = Input;
    type Output = Metadata;

    fn traits() -> StageTraits {
        StageTraits {
            // Only a language model is reached over the network.
            needs: Needs { net: true, ..Needs::default() },
            examples: vec![Example {
                note: "From a script, for two platforms; `scenes` is what script.write puts out".into(),
                with: json!({
                    "title": "How tides work", "platforms": ["shorts", "tiktok"],
                    "scenes": [{ "narration": "The sea rises twice a day.", "keywords": ["sea", "tide"] }]
                }),
            }],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Metadata, StageError> {
        input.check()?;
        let (words, method) = match &input.llm {
            Some(model) => (llm::ask(model, &input, cx)?, Method::Llm),
            None => (write::own_words(&input), Method::Template),
        };
        let platforms =
            if input.platforms.is_empty() { Platform::ALL.to_vec() } else { input.platforms.clone() };
        let texts = platforms
            .into_iter()
            .map(|platform| (platform.name().to_owned(), write::for_platform(&words, &input, platform)))
            .collect();
        Metadata::new(texts, method, cx)
    }
}

reelmill_sdk::export_plugin! {
    name: "metadata",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Titles, descriptions, tags and hashtags within each platform's limits",
    stages: [Write],
}
