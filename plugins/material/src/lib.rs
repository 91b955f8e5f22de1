//! `material.fetch` and `material.plan`: clips and pictures for scenes, from a folder on the worker's disk, from
//! services that have them, and from the web. `material.credits`: who is to be named for a video.
//!
//! Files are found by the words in their names, folders and sidecar files (BM25, no meaning understood), or by what the
//! words mean where word vectors or an endpoint for embeddings are given; which of them is said in the outputs. `fetch`
//! answers one query; `plan` serves all scenes of a script at once, so that no file is shown twice while another is
//! left. When there is nothing, a background is generated and marked as such.

mod assign;
mod background;
mod credits;
mod deliver;
mod folder;
mod library;
mod look;
#[cfg(test)]
mod media_for_tests;
mod outputs;
mod rank;
mod remote;
mod sidecar;
mod similar;
mod types;

use library::Library;
use reelmill_sdk::prelude::*;

pub use credits::{Credits, CreditsInput, CreditsOutput};
pub use types::{
    Credit, FetchInput, Footage, Kind, Kinds, Orientation, PlanInput, Planned, SceneFootage, Unmatched,
};

/// The stage `material.fetch`.
pub struct Fetch;

impl Stage for Fetch {
    const ID: &'static str = "fetch";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "Finds the clips and pictures that fit a query best: in a folder, at services, on the web";
    type Input = FetchInput;
    type Output = Footage;

    fn traits() -> StageTraits {
        StageTraits {
            // Only what `sources`, `urls` and `embeddings` name is reached.
            needs: Needs { net: true, ..Needs::default() },
            tools: reelmill_media::tools(),
            examples: vec![
                Example {
                    note: "The best clip or picture for a few words".into(),
                    with: json!({ "folder": "./footage", "query": "lighthouse storm night" }),
                },
                Example {
                    note: "A clip from the first of two services that has one; the keys are secrets".into(),
                    with: json!({
                        "query": ["lighthouse", "storm"], "orientation": "portrait", "kinds": "clips", "min_seconds": 4.0,
                        "sources": [
                            { "provider": "pexels", "keys": ["${{ secrets.pexels_key }}"] },
                            { "provider": "commons" }
                        ]
                    }),
                },
            ],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: FetchInput, cx: &Cx<'_>) -> Result<Footage, StageError> {
        let wishes = input.wishes.checked()?;
        let wanted = [input.query.wanted()];
        let queries = [wanted[0].all()];
        let mut library = Library::open(&wishes, &wanted, &input.exclude, cx)?;
        let mut chosen = assign::assign(&mut library, &queries, &wishes, input.place as usize, cx)?;
        deliver::footage(&library, &queries[0], &chosen.remove(0), &wishes, "", cx)
    }
}

/// The stage `material.plan`.
pub struct Plan;

impl Stage for Plan {
    const ID: &'static str = "plan";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "Gives every scene of a script its clips and pictures, none twice while others are left";
    type Input = PlanInput;
    type Output = Planned;

    fn traits() -> StageTraits {
        StageTraits {
            // Only what `sources`, `urls` and `embeddings` name is reached.
            needs: Needs { net: true, ..Needs::default() },
            tools: reelmill_media::tools(),
            examples: vec![Example {
                note: "One file for each of two scenes; `scenes` is what script.write puts out".into(),
                with: json!({
                    "folder": "./footage",
                    "scenes": [
                        { "id": "s1", "keywords": ["lighthouse", "coast"] },
                        { "id": "s2", "keywords": ["ship", "harbour"] }
                    ]
                }),
            }],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: PlanInput, cx: &Cx<'_>) -> Result<Planned, StageError> {
        let wishes = input.wishes.checked()?;
        types::check_scenes(&input.scenes)?;
        let wanted: Vec<types::Wanted> = input.scenes.iter().map(types::SceneWanted::wanted).collect();
        let queries: Vec<Vec<String>> = wanted.iter().map(types::Wanted::all).collect();
        let mut library = Library::open(&wishes, &wanted, &[], cx)?;
        let chosen = assign::assign(&mut library, &queries, &wishes, 0, cx)?;
        deliver::planned(&library, &input.scenes, &queries, &chosen, &wishes, cx)
    }
}

reelmill_sdk::export_plugin! {
    name: "material",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Clips and pictures for scenes, from folders, services and the web, with their credits",
    stages: [Fetch, Plan, Credits],
}
