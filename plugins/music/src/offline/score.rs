//! What is played: chords, plucked notes, a bass and a beat, as the mood wants them and the seed chooses. Pure.

use crate::types::Mood;

/// Beats of a bar.
const BEATS: u32 = 4;
/// Steps of a major and of a minor scale, in semitones.
const MAJOR: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];
const MINOR: [i32; 7] = [0, 2, 3, 5, 7, 8, 10];
/// Chords that lead back to the first, by the step of the scale that they stand on.
const MAJOR_WAYS: [[i32; 4]; 4] = [[0, 4, 5, 3], [0, 5, 3, 4], [3, 0, 4, 5], [0, 3, 5, 4]];
const MINOR_WAYS: [[i32; 4]; 4] = [[0, 5, 2, 6], [0, 3, 5, 6], [0, 6, 5, 6], [0, 2, 5, 3]];

/// What plays a note.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Voice {
    /// Comes and goes slowly.
    Pad,
    /// Sounds at once and dies away.
    Pluck,
    /// A low pluck.
    Bass,
    /// A low thump.
    Kick,
    /// A breath of noise.
    Brush,
}

/// One note; times are seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Note {
    pub voice: Voice,
    pub start: f64,
    pub length: f64,
    pub hertz: f64,
    pub loud: f32,
    /// From the left (-1) to the right (1).
    pub side: f32,
}

/// A round: its end leads into its start.
pub struct Score {
    pub seconds: f64,
    pub notes: Vec<Note>,
}

/// What a mood wants.
struct Manner {
    beats_per_minute: f64,
    is_minor: bool,
    /// The lowest note, in hertz.
    root: f64,
    /// Plucked notes of a beat, and how many of them are played, in eighths.
    plucks: u32,
    density: u32,
    bass: f32,
    beat: f32,
}

fn manner(mood: Mood) -> Manner {
    let of = |beats_per_minute, is_minor, root, plucks, density, bass, beat| Manner {
        beats_per_minute,
        is_minor,
        root,
        plucks,
        density,
        bass,
        beat,
    };
    match mood {
        Mood::Calm => of(72.0, false, 110.0, 2, 4, 0.5, 0.0),
        Mood::Bright => of(108.0, false, 130.81, 2, 6, 0.6, 0.35),
        Mood::Sad => of(63.0, true, 110.0, 1, 6, 0.5, 0.0),
        Mood::Dark => of(58.0, true, 73.42, 1, 3, 0.9, 0.0),
        Mood::Tense => of(118.0, true, 82.41, 2, 8, 0.8, 0.25),
        Mood::Epic => of(84.0, true, 73.42, 2, 5, 1.0, 0.6),
        Mood::Driving => of(124.0, true, 98.0, 4, 4, 0.9, 0.8),
    }
}

/// Choices that a seed makes, each by its name.
struct Chance {
    seed: u64,
}

impl Chance {
    /// A number below `count`.
    fn below(&self, what: &str, place: u32, count: u32) -> u32 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(what.as_bytes());
        hasher.update(&place.to_le_bytes());
        let bytes = hasher.finalize();
        let number = bytes.as_bytes()[..4].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        number % count.max(1)
    }
}

/// Writes a round of eight bars: the same way twice, the second time with other plucked notes.
pub fn compose(mood: Mood, seed: u64) -> Score {
    let manner = manner(mood);
    let chance = Chance { seed };
    let beat = 60.0 / manner.beats_per_minute;
    let ways = if manner.is_minor { &MINOR_WAYS } else { &MAJOR_WAYS };
    let way = ways[chance.below("way", 0, 4) as usize];
    // A seed may be a step or two higher, so that not all music of a mood is in one key.
    let root = manner.root * 2.0_f64.powf(f64::from(chance.below("key", 0, 5)) / 12.0);
    let mut notes = Vec::new();
    for bar in 0..8_u32 {
        let start = f64::from(bar * BEATS) * beat;
        let chord = way[bar as usize % way.len()];
        let pitch =
            |step: i32| root * 2.0_f64.powf(f64::from(semitones(manner.is_minor, chord + step)) / 12.0);
        notes.extend(pads(start, f64::from(BEATS) * beat, &pitch));
        notes.extend(plucks(&manner, &chance, bar, start, beat, &pitch));
        notes.extend(below(&manner, start, beat, pitch(0) / 2.0));
    }
    Score { seconds: f64::from(8 * BEATS) * beat, notes }
}

/// Semitones above the root of a step of the scale, over octaves.
fn semitones(is_minor: bool, step: i32) -> i32 {
    let scale = if is_minor { MINOR } else { MAJOR };
    let place = usize::try_from(step.rem_euclid(7)).unwrap_or(0);
    scale[place] + 12 * step.div_euclid(7)
}

/// The chord, over the length of nearly two bars, so that neighbours blend.
fn pads(start: f64, bar: f64, pitch: &impl Fn(i32) -> f64) -> Vec<Note> {
    [(0, -0.5_f32), (2, 0.1), (4, 0.5), (7, -0.1)]
        .into_iter()
        .map(|(step, side)| Note {
            voice: Voice::Pad,
            start: start - bar * 0.4,
            length: bar * 1.8,
            hertz: pitch(step),
            loud: 0.20,
            side,
        })
        .collect()
}

/// Notes of the chord, broken as the seed says.
fn plucks(
    manner: &Manner,
    chance: &Chance,
    bar: u32,
    start: f64,
    beat: f64,
    pitch: &impl Fn(i32) -> f64,
) -> Vec<Note> {
    let each = beat / f64::from(manner.plucks);
    (0..BEATS * manner.plucks)
        .filter(|place| *place == 0 || chance.below("rest", bar * 64 + place, 8) < manner.density)
        .map(|place| {
            let step = [7, 9, 11, 14, 16][chance.below("step", bar * 64 + place, 5) as usize];
            let is_first = place % manner.plucks == 0;
            Note {
                voice: Voice::Pluck,
                start: start + f64::from(place) * each,
                length: beat * 2.5,
                hertz: pitch(step),
                loud: if is_first { 0.26 } else { 0.18 },
                side: if place % 2 == 0 { 0.35 } else { -0.35 },
            }
        })
        .collect()
}

/// The bass and the beat of a bar.
fn below(manner: &Manner, start: f64, beat: f64, hertz: f64) -> Vec<Note> {
    let note = |voice, place: f64, length: f64, hertz, loud| Note {
        voice,
        start: start + place * beat,
        length: length * beat,
        hertz,
        loud,
        side: 0.0,
    };
    let mut notes = vec![
        note(Voice::Bass, 0.0, 2.2, hertz, 0.5 * manner.bass),
        note(Voice::Bass, 2.5, 1.5, hertz, 0.35 * manner.bass),
    ];
    if manner.beat > 0.0 {
        for place in 0..BEATS {
            let place = f64::from(place);
            notes.push(note(Voice::Kick, place, 0.5, 52.0, 0.55 * manner.beat));
            notes.push(note(Voice::Brush, place + 0.5, 0.25, 0.0, 0.12 * manner.beat));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mood_and_seed_make_the_music() {
        let notes = |mood, seed| compose(mood, seed).notes;
        assert_eq!(notes(Mood::Calm, 1), notes(Mood::Calm, 1));
        let others = (2..12).filter(|seed| notes(Mood::Calm, *seed) != notes(Mood::Calm, 1)).count();
        assert!(others >= 8, "{others} of ten seeds make other music");
        let has = |mood, voice| notes(mood, 1).iter().any(|note| note.voice == voice);
        assert!(has(Mood::Driving, Voice::Kick) && !has(Mood::Calm, Voice::Kick));
        assert!(compose(Mood::Driving, 1).seconds < compose(Mood::Dark, 1).seconds);
    }

    #[test]
    fn notes_can_be_heard_and_stay_in_their_round() {
        for mood in [Mood::Calm, Mood::Bright, Mood::Sad, Mood::Dark, Mood::Tense, Mood::Epic, Mood::Driving]
        {
            let score = compose(mood, 5);
            for note in &score.notes {
                let is_pitched = note.voice != Voice::Brush;
                assert!(!is_pitched || (25.0..2_000.0).contains(&note.hertz), "{mood:?} {note:?}");
                assert!(note.length > 0.0 && note.length < score.seconds && note.start < score.seconds);
            }
        }
    }

    #[test]
    fn steps_go_over_octaves() {
        for (is_minor, step, expected) in
            [(false, 0, 0), (false, 2, 4), (true, 2, 3), (false, 7, 12), (true, -1, -2)]
        {
            assert_eq!(semitones(is_minor, step), expected, "{step}");
        }
    }
}
