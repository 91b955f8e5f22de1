//! Which files go to which scene. All scenes are decided together: the best pair of scene and file first, no file
//! twice while another is left, and never the same file twice in one scene.

use crate::library::Library;
use crate::types::{Unmatched, Wishes};
use reelmill_sdk::prelude::*;

/// What a shape that is not the preferred one costs.
const OTHER_SHAPE: f64 = 0.6;
/// Files that are looked into for their shape at the most, those whose words fit first.
const SHAPES_MAX: usize = 300;

/// A file for a scene.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Choice {
    /// Its number in the library.
    pub file: usize,
    /// How well its words fit.
    pub score: f64,
}

/// Chooses files for each query; a query without any gets a generated background later. `turn` moves the choice among
/// files that fit equally.
pub fn assign(
    library: &mut Library,
    queries: &[Vec<String>],
    wishes: &Wishes,
    turn: usize,
    cx: &Cx<'_>,
) -> Result<Vec<Vec<Choice>>, StageError> {
    let mut scores = library.scores(queries, wishes, cx)?;
    prefer_shape(library, &mut scores, wishes, cx)?;
    let mut table = Table::new(scores, library.len(), turn);
    let mut chosen: Vec<Vec<Choice>> = vec![Vec::new(); queries.len()];
    // One file for every scene before any gets its second.
    for round in 1..=wishes.count as usize {
        loop {
            cx.check()?;
            let open = |scene: usize| chosen[scene].len() < round;
            let Some((scene, choice)) = table.best(&chosen, open, wishes.unmatched) else { break };
            if library.take(choice.file, cx)?.is_some() {
                table.used[choice.file] += 1;
                chosen[scene].push(choice);
            } else {
                table.is_broken[choice.file] = true;
            }
        }
    }
    for choices in &mut chosen {
        choices.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    // What could not be had is no matter as long as there was something else.
    if chosen.iter().any(Vec::is_empty)
        && let Some(trouble) = library.take_trouble()
    {
        return Err(trouble);
    }
    Ok(chosen)
}

/// Lowers the scores of files of another shape.
fn prefer_shape(
    library: &mut Library,
    scores: &mut [Vec<f64>],
    wishes: &Wishes,
    cx: &Cx<'_>,
) -> Result<(), StageError> {
    if wishes.orientation == crate::types::Orientation::Any {
        return Ok(());
    }
    let best = |file: usize| scores.iter().map(|scene| scene[file]).fold(0.0, f64::max);
    let mut order: Vec<usize> = (0..library.len()).collect();
    order.sort_by(|a, b| best(*b).total_cmp(&best(*a)).then(a.cmp(b)));
    for file in order.into_iter().take(SHAPES_MAX) {
        cx.check()?;
        let fits = library.fits(file, wishes.orientation, cx)?;
        for scene in scores.iter_mut() {
            // Shape also decides among files whose words do not fit at all.
            scene[file] = if fits { scene[file] + f64::EPSILON } else { scene[file] * OTHER_SHAPE };
        }
    }
    Ok(())
}

/// Scores and what has been used of each file.
struct Table {
    scores: Vec<Vec<f64>>,
    used: Vec<u32>,
    is_broken: Vec<bool>,
    turn: usize,
}

impl Table {
    fn new(scores: Vec<Vec<f64>>, files: usize, turn: usize) -> Self {
        Self { scores, used: vec![0; files], is_broken: vec![false; files], turn }
    }

    /// The best pair among scenes that still want a file: least used first, then the score, then the scene's place,
    /// then the file whose turn it is.
    fn best(
        &self,
        chosen: &[Vec<Choice>],
        open: impl Fn(usize) -> bool,
        unmatched: Unmatched,
    ) -> Option<(usize, Choice)> {
        let mut best: Option<(usize, Choice)> = None;
        for scene in (0..self.scores.len()).filter(|scene| open(*scene)) {
            for step in 0..self.used.len() {
                let file = (step + self.turn + scene) % self.used.len();
                let score = self.scores[scene][file];
                let is_taken = chosen[scene].iter().any(|choice| choice.file == file);
                if self.is_broken[file] || is_taken || unmatched != Unmatched::Any && score <= f64::EPSILON {
                    continue;
                }
                let is_better = best.is_none_or(|(_, other)| {
                    (std::cmp::Reverse(self.used[file]), score)
                        > (std::cmp::Reverse(self.used[other.file]), other.score)
                });
                if is_better {
                    best = Some((scene, Choice { file, score }));
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the table alone, as if every file could be read.
    fn choose(scores: Vec<Vec<f64>>, count: usize, turn: usize, unmatched: Unmatched) -> Vec<Vec<usize>> {
        let files = scores.first().map_or(0, Vec::len);
        let mut table = Table::new(scores, files, turn);
        let mut chosen: Vec<Vec<Choice>> = vec![Vec::new(); table.scores.len()];
        for round in 1..=count {
            while let Some((scene, choice)) =
                table.best(&chosen, |scene| chosen[scene].len() < round, unmatched)
            {
                table.used[choice.file] += 1;
                chosen[scene].push(choice);
            }
        }
        chosen.into_iter().map(|choices| choices.into_iter().map(|choice| choice.file).collect()).collect()
    }

    #[test]
    fn the_best_pair_is_settled_first() {
        // Both scenes like file 0 best, but the second likes it more.
        assert_eq!(choose(vec![vec![2.0, 1.0], vec![3.0, 0.5]], 1, 0, Unmatched::Any), [[1], [0]]);
    }

    #[test]
    fn no_file_comes_twice_while_another_is_left() {
        let scores = vec![vec![5.0, 0.0, 0.0]; 4];
        let chosen = choose(scores.clone(), 1, 0, Unmatched::Any);
        let mut first_three: Vec<usize> = chosen.iter().flatten().copied().collect();
        assert_eq!(first_three.iter().filter(|file| **file == 0).count(), 2, "{chosen:?}");
        first_three.sort_unstable();
        first_three.dedup();
        assert_eq!(first_three, [0, 1, 2]);
        // With nothing matching, nothing is forced on a scene.
        assert_eq!(
            choose(vec![vec![5.0, 0.0], vec![0.0, 0.0]], 1, 0, Unmatched::Generate),
            [vec![0], vec![]]
        );
    }

    #[test]
    fn a_scene_never_gets_one_file_twice() {
        assert_eq!(choose(vec![vec![1.0, 2.0]], 5, 0, Unmatched::Any), [[1, 0]]);
    }

    #[test]
    fn equal_files_take_turns() {
        let chosen: Vec<_> = (0..4).map(|turn| choose(vec![vec![1.0; 3]], 1, turn, Unmatched::Any)).collect();
        assert_eq!(chosen, [[[0]], [[1]], [[2]], [[0]]]);
        assert!(choose(vec![vec![]], 1, 3, Unmatched::Any)[0].is_empty());
    }
}
