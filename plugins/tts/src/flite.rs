//! flite, opened at run time: the only file that speaks to its C interface.
//!
//! Declarations follow `cst_wave.h`, `cst_voice.h` and `flite.h` of flite 2.2. Times come from the utterance: each
//! token's words, each word's first and last segment.

#![expect(unsafe_code, reason = "flite is a C library")]

use crate::engine::{Engine, Manner, Spoken, load, missing};
use crate::timing::Mark;
use libloading::Library;
use reelmill_sdk::StageError;
use reelmill_text::unaccented;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_float, c_int, c_short, c_void};

/// The voices of Debian's package.
pub const VOICES: &[&str] = &["slt", "rms", "awb", "kal", "kal16"];
/// The voice for English.
pub const DEFAULT_VOICE: &str = "slt";

const PACKAGE: &str = "libflite1";
const LIBRARY: &str = "libflite.so.1";

/// `cst_voice`, as far as it is read here.
#[repr(C)]
struct RawVoice {
    name: *const c_char,
    features: *mut c_void,
}

/// `cst_wave`.
#[repr(C)]
struct RawWave {
    kind: *const c_char,
    sample_rate: c_int,
    num_samples: c_int,
    num_channels: c_int,
    samples: *const c_short,
}

type Item = *const c_void;

/// The functions used, and the library that keeps them valid.
struct Functions {
    feat_set_float: unsafe extern "C" fn(*mut c_void, *const c_char, c_float),
    flite_synth_text: unsafe extern "C" fn(*const c_char, *mut RawVoice) -> *mut c_void,
    utt_wave: unsafe extern "C" fn(*mut c_void) -> *const RawWave,
    delete_utterance: unsafe extern "C" fn(*mut c_void),
    utt_relation: unsafe extern "C" fn(*const c_void, *const c_char) -> *const c_void,
    relation_head: unsafe extern "C" fn(*const c_void) -> Item,
    item_next: unsafe extern "C" fn(Item) -> Item,
    item_daughter: unsafe extern "C" fn(Item) -> Item,
    item_as: unsafe extern "C" fn(Item, *const c_char) -> Item,
    flite_ffeature_float: unsafe extern "C" fn(Item, *const c_char) -> c_float,
    flite_ffeature_int: unsafe extern "C" fn(Item, *const c_char) -> c_int,
    _library: Library,
}

/// flite in this process.
pub struct Flite {
    functions: Functions,
    /// Registered voices. Invariant: each library stays open as long as its voice.
    voices: HashMap<String, (*mut RawVoice, Library)>,
}

// SAFETY: the voices are used by one thread at a time (`&mut self`), and flite keeps nothing per thread.
unsafe impl Send for Flite {}

macro_rules! function {
    ($library:expr, $name:expr) => {
        // SAFETY: the signature is the one the library's header gives; the pointer lives as long as the library.
        unsafe { *$library.get($name).map_err(|error| missing(LIBRARY, PACKAGE, &error))? }
    };
}

impl Flite {
    /// Opens the library.
    pub fn open() -> Result<Self, StageError> {
        let library = load(LIBRARY, PACKAGE)?;
        let init: unsafe extern "C" fn() -> c_int = function!(library, "flite_init");
        // SAFETY: takes nothing; may be called more than once.
        unsafe { init() };
        let functions = Functions {
            feat_set_float: function!(library, "feat_set_float"),
            flite_synth_text: function!(library, "flite_synth_text"),
            utt_wave: function!(library, "utt_wave"),
            delete_utterance: function!(library, "delete_utterance"),
            utt_relation: function!(library, "utt_relation"),
            relation_head: function!(library, "relation_head"),
            item_next: function!(library, "item_next"),
            item_daughter: function!(library, "item_daughter"),
            item_as: function!(library, "item_as"),
            flite_ffeature_float: function!(library, "flite_ffeature_float"),
            flite_ffeature_int: function!(library, "flite_ffeature_int"),
            _library: library,
        };
        Ok(Self { functions, voices: HashMap::new() })
    }

    fn voice(&mut self, name: &str) -> Result<*mut RawVoice, StageError> {
        if let Some((voice, _)) = self.voices.get(name) {
            return Ok(*voice);
        }
        let file = format!("libflite_cmu_us_{name}.so.1");
        let library = load(&file, PACKAGE)?;
        let symbol = format!("register_cmu_us_{name}");
        let register: unsafe extern "C" fn(*const c_char) -> *mut RawVoice =
            function!(library, symbol.as_str());
        // SAFETY: the directory may be null; the voice lives until it is unregistered, which never happens.
        let voice = unsafe { register(std::ptr::null()) };
        if voice.is_null() {
            return Err(StageError::internal(format!("flite did not register its voice `{name}`")));
        }
        self.voices.insert(name.to_owned(), (voice, library));
        Ok(voice)
    }
}

impl Engine for Flite {
    fn say(&mut self, voice: &str, manner: Manner, tokens: &[&str]) -> Result<Spoken, StageError> {
        let voice = self.voice(voice)?;
        let (text, ends) = readable(tokens);
        if text.is_empty() {
            return Ok(Spoken { samples: Vec::new(), sample_rate: 0, marks: Vec::new() });
        }
        let text = CString::new(text).map_err(|_| StageError::internal("a null character reached flite"))?;
        let functions = &self.functions;
        // SAFETY: `voice` is a registered voice, whose features live as long as it does; names are C strings.
        let utterance = unsafe {
            (functions.feat_set_float)((*voice).features, c"duration_stretch".as_ptr(), 1.0 / manner.rate);
            (functions.feat_set_float)((*voice).features, c"f0_shift".as_ptr(), manner.pitch);
            (functions.flite_synth_text)(text.as_ptr(), voice)
        };
        if utterance.is_null() {
            return Err(StageError::internal("flite gave no speech for a sentence"));
        }
        let marks = functions.marks(utterance, &ends);
        let spoken =
            functions.wave(utterance).map(|(sample_rate, samples)| Spoken { samples, sample_rate, marks });
        // SAFETY: the utterance is not used after this; the samples were copied.
        unsafe { (functions.delete_utterance)(utterance) };
        spoken.ok_or_else(|| StageError::internal("flite gave an utterance without a wave"))
    }
}

impl Functions {
    fn wave(&self, utterance: *mut c_void) -> Option<(u32, Vec<i16>)> {
        // SAFETY: the utterance is alive; its wave, when there is one, has `num_samples` samples a channel.
        unsafe {
            let wave = (self.utt_wave)(utterance).as_ref()?;
            if wave.samples.is_null() || wave.num_channels != 1 {
                return None;
            }
            let count = usize::try_from(wave.num_samples).ok()?;
            let samples = std::slice::from_raw_parts(wave.samples, count);
            Some((u32::try_from(wave.sample_rate).ok().filter(|rate| *rate > 0)?, samples.to_vec()))
        }
    }

    /// When each token is heard; `ends` are the tokens' ends in the text that flite read.
    fn marks(&self, utterance: *mut c_void, ends: &[(usize, usize)]) -> Vec<Mark> {
        let mut marks = Vec::new();
        // SAFETY: the utterance is alive, every item belongs to it, and null ends each list. A feature that an item
        // does not have is 0.
        unsafe {
            let relation = (self.utt_relation)(utterance, c"Token".as_ptr());
            let mut token =
                if relation.is_null() { std::ptr::null() } else { (self.relation_head)(relation) };
            while !token.is_null() {
                let read_to =
                    usize::try_from((self.flite_ffeature_int)(token, c"file_pos".as_ptr())).unwrap_or(0);
                let mut word = (self.item_daughter)(token);
                while !word.is_null() {
                    let times = self.times((self.item_as)(word, c"Word".as_ptr()));
                    if let Some((start_ms, end_ms)) = times
                        && let Some(token) = token_at(ends, read_to)
                    {
                        marks.push(Mark { token, start_ms, end_ms: Some(end_ms) });
                    }
                    word = (self.item_next)(word);
                }
                token = (self.item_next)(token);
            }
        }
        marks
    }

    /// Start and end of a word, in milliseconds; a word without sound has none.
    ///
    /// # Safety
    /// `word` is null or an item of a living utterance.
    unsafe fn times(&self, word: Item) -> Option<(f64, f64)> {
        const START: &CStr = c"R:SylStructure.daughter1.daughter1.R:Segment.p.end";
        const END: &CStr = c"R:SylStructure.daughtern.daughtern.R:Segment.end";
        if word.is_null() {
            return None;
        }
        // SAFETY: the item is alive, by this function's contract.
        let (start, end) = unsafe {
            (
                (self.flite_ffeature_float)(word, START.as_ptr()),
                (self.flite_ffeature_float)(word, END.as_ptr()),
            )
        };
        (end > 0.0 && end >= start).then(|| (f64::from(start) * 1000.0, f64::from(end) * 1000.0))
    }
}

/// The token that flite had read when it stood at this place: flite counts the character behind a token as well.
fn token_at(ends: &[(usize, usize)], read_to: usize) -> Option<usize> {
    let at = ends.partition_point(|(end, _)| *end + 1 < read_to);
    ends.get(at).or(ends.last()).map(|(_, token)| *token)
}

/// The tokens in the letters flite reads, joined by spaces, and for each readable token where it ends in that text.
fn readable(tokens: &[&str]) -> (String, Vec<(usize, usize)>) {
    let mut text = String::new();
    let mut ends = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        let plain = plain(token);
        if !plain.bytes().any(|byte| byte.is_ascii_graphic()) {
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(plain.trim());
        ends.push((text.len(), index));
    }
    // Marks alone would make flite name them.
    if !text.bytes().any(|byte| byte.is_ascii_alphanumeric() || b"&%+=$@#/".contains(&byte)) {
        return (String::new(), Vec::new());
    }
    (text, ends)
}

/// ASCII letters for those with accents, plain quotes and dashes for printed ones, nothing for the rest.
fn plain(token: &str) -> String {
    let mut plain = String::with_capacity(token.len());
    for mark in token.chars() {
        match mark {
            '“' | '”' | '„' | '«' | '»' => plain.push('"'),
            '‘' | '’' | '‚' => plain.push('\''),
            '–' | '—' | '−' => plain.push('-'),
            '…' => plain.push_str("..."),
            '€' => plain.push_str(" euro "),
            '£' => plain.push_str(" pound "),
            '°' => plain.push_str(" degrees "),
            _ if mark.is_ascii() => plain.push(mark),
            _ => {
                let lower = mark.to_lowercase().next().and_then(unaccented).unwrap_or_default();
                if mark.is_uppercase() {
                    plain.push_str(&lower.to_ascii_uppercase());
                } else {
                    plain.push_str(lower);
                }
            }
        }
    }
    plain
}
