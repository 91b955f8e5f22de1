//! Chosen files into the attempt's outputs. They are copied, never linked: what is stored must not change when
//! somebody edits the folder.

use crate::assign::Choice;
use crate::library::Library;
use crate::look::Look;
use crate::types::{Footage, ItemInfo, Planned, SceneFootage, SceneWanted, Unmatched, Wishes};
use crate::{background, folder};
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;

/// The outputs for one query.
pub fn footage(
    library: &Library,
    words: &[String],
    choices: &[Choice],
    wishes: &Wishes,
    prefix: &str,
    cx: &Cx<'_>,
) -> Result<Footage, StageError> {
    let mut footage = Footage {
        files: Vec::new(),
        items: Vec::new(),
        credits: Vec::new(),
        generated: false,
        matched_by: library.matched_by,
        notes: library.notes(),
    };
    for choice in choices {
        cx.check()?;
        let Some(look) = library.seen(choice.file) else { continue };
        let entry = library.entry(choice.file);
        let Some((path, shown, is_own)) = entry.file() else { continue };
        let name = format!("{prefix}{}-{shown}", footage.files.len() + 1);
        // What was downloaded for this attempt alone needs no second copy, even if two scenes show it.
        let is_linked = is_own && std::fs::hard_link(path, cx.output(&name)).is_ok();
        if !is_linked {
            std::fs::copy(path, cx.output(&name)).context(format!("copy {}", entry.name))?;
        }
        let file = OutputFile::new(cx, &name, folder::media_type(&name))?.named(shown);
        footage.files.push(file);
        footage.items.push(item(&entry.name, look, choice.score, false));
        footage.credits.extend(entry.credit.clone());
    }
    if footage.files.is_empty() {
        generate(&mut footage, words, wishes, prefix, cx)?;
    }
    Ok(footage)
}

fn generate(
    footage: &mut Footage,
    words: &[String],
    wishes: &Wishes,
    prefix: &str,
    cx: &Cx<'_>,
) -> Result<(), StageError> {
    if wishes.unmatched == Unmatched::Fail {
        return Err(StageError::invalid_input(format!(
            "no file fits the words `{}`; add footage with such words in its name or sidecar file, name more `sources`, \
             or set `unmatched: any`",
            words.join(" ")
        ))
        .code("no_match"));
    }
    let name = format!("{prefix}background.mp4");
    let look = background::generate(&cx.output(&name), words, wishes.orientation, cx)?;
    cx.warn(format!("nothing fits the words `{}`: a background is generated", words.join(" ")));
    footage.files.push(OutputFile::new(cx, &name, "video/mp4")?.named("background.mp4"));
    footage.items.push(item("generated", look, 0.0, true));
    footage.generated = true;
    Ok(())
}

/// The outputs for all scenes.
pub fn planned(
    library: &Library,
    scenes: &[SceneWanted],
    queries: &[Vec<String>],
    chosen: &[Vec<Choice>],
    wishes: &Wishes,
    cx: &Cx<'_>,
) -> Result<Planned, StageError> {
    let mut planned = Planned {
        scenes: BTreeMap::new(),
        credits: Vec::new(),
        generated: Vec::new(),
        matched_by: library.matched_by,
        notes: library.notes(),
    };
    for (place, scene) in scenes.iter().enumerate() {
        cx.progress(&Progress {
            done: place as f64,
            total: Some(scenes.len() as f64),
            unit: "scenes".to_owned(),
            phase: "copying".to_owned(),
            ..Progress::default()
        });
        // The scene's number, not its id: an id may hold what no file name may.
        let prefix = format!("{}-", place + 1);
        let footage = footage(library, &queries[place], &chosen[place], wishes, &prefix, cx)?;
        let Footage { files, items, credits, generated, .. } = footage;
        if generated {
            planned.generated.push(scene.id.clone());
        }
        planned.credits.extend(credits);
        planned.scenes.insert(scene.id.clone(), SceneFootage { files, items, generated });
    }
    planned.credits.sort_unstable();
    planned.credits.dedup();
    Ok(planned)
}

fn item(name: &str, look: Look, score: f64, generated: bool) -> ItemInfo {
    let Look { kind, width, height, duration_ms } = look;
    // Thousandths are finer than the score means.
    let score = (score * 1000.0).round() / 1000.0;
    ItemInfo { name: name.to_owned(), kind, width, height, duration_ms, score, generated }
}

#[cfg(test)]
mod tests;
