//! `material.fetch` and `material.plan`: clips and pictures for scenes, from a folder on the worker's disk.
//!
//! Files are found by the words in their names, folders and sidecar files (BM25, no meaning understood). `fetch`
//! answers one query; `plan` serves all scenes of a script at once, so that no file is shown twice while another is
//! left. When there is nothing, a background is generated and marked as such.

mod assign;
mod background;
mod deliver;
mod folder;
mod library;
mod look;
mod rank;
mod sidecar;
mod types;

use library::Library;
use reelmill_sdk::prelude::*;

pub use types::{
    Credit, FetchInput, Footage, Kind, Kinds, Orientation, PlanInput, Planned, SceneFootage, Unmatched,
};

/// The stage `material.fetch`.
pub struct Fetch;

impl Stage for Fetch {
    const ID: &'static str = "fetch";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Finds the clips and pictures of a folder that fit a query best";
    type Input = FetchInput;
    type Output = Footage;

    fn traits() -> StageTraits {
        StageTraits {
            tools: reelmill_media::tools(),
            examples: vec![Example {
                note: "The best clip or picture for a few words".into(),
                with: json!({ "folder": "./footage", "query": "lighthouse storm night" }),
            }],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: FetchInput, cx: &Cx<'_>) -> Result<Footage, StageError> {
        let wishes = input.wishes.checked()?;
        let mut library = Library::open(input.wishes.folder.as_ref(), &wishes, &input.exclude, cx)?;
        let queries = [input.query.words()];
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
        let mut library = Library::open(input.wishes.folder.as_ref(), &wishes, &[], cx)?;
        let queries: Vec<Vec<String>> = input.scenes.iter().map(types::SceneWanted::words).collect();
        let chosen = assign::assign(&mut library, &queries, &wishes, 0, cx)?;
        deliver::planned(&library, &input.scenes, &queries, &chosen, &wishes, cx)
    }
}

reelmill_sdk::export_plugin! {
    name: "material",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Clips and pictures for scenes, from a folder, with the credits their sidecar files name",
    stages: [Fetch, Plan],
}
