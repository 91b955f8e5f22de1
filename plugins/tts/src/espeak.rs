//! espeak-ng, opened at run time: the only file that speaks to its C interface.
//!
//! Declarations follow `speak_lib.h`, revision 12. It runs in synchronous mode: the callback is called by
//! `espeak_Synth` itself, on this thread, and hands over samples and events. No sound device is opened.

#![expect(unsafe_code, reason = "espeak-ng is a C library")]

use crate::engine::{Engine, Manner, Spoken, load, missing};
use crate::timing::Mark;
use libloading::Library;
use reelmill_sdk::StageError;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_short, c_uint, c_void};

const PACKAGE: &str = "libespeak-ng1 espeak-ng-data";
const LIBRARY: &str = "libespeak-ng.so.1";

const SYNCHRONOUS: c_int = 2;
/// Do not end the process when the data is missing.
const DONT_EXIT: c_int = 0x8000;
const CHARS_UTF8: c_uint = 1;
/// The pause after the last sentence, too.
const END_PAUSE: c_uint = 0x1000;
const PARAMETER_RATE: c_int = 1;
const PARAMETER_PITCH: c_int = 3;
const EVENT_LIST_END: c_int = 0;
const EVENT_WORD: c_int = 1;
/// Words a minute of the voices' own way.
const RATE_NORMAL: f32 = 175.0;

/// `espeak_EVENT`.
#[repr(C)]
struct RawEvent {
    kind: c_int,
    unique_identifier: c_uint,
    /// Characters from the start of the text, from 1.
    text_position: c_int,
    length: c_int,
    /// Milliseconds.
    audio_position: c_int,
    sample: c_int,
    user_data: *mut c_void,
    id: [u8; 8],
}

/// `espeak_VOICE`.
#[repr(C)]
struct RawVoice {
    name: *const c_char,
    languages: *const c_char,
    identifier: *const c_char,
    gender: u8,
    age: u8,
    variant: u8,
    internal: u8,
    score: c_int,
    spare: *mut c_void,
}

/// What the callback has gathered of the current call.
#[derive(Default)]
struct Heard {
    samples: Vec<i16>,
    /// Character position, from 1, and milliseconds.
    words: Vec<(usize, f64)>,
}

thread_local! {
    static HEARD: RefCell<Heard> = RefCell::default();
}

/// espeak-ng in this process.
pub struct Espeak {
    sample_rate: u32,
    set_voice: unsafe extern "C" fn(*const c_char) -> c_int,
    set_voice_by_properties: unsafe extern "C" fn(*const RawVoice) -> c_int,
    set_parameter: unsafe extern "C" fn(c_int, c_int, c_int) -> c_int,
    synth: unsafe extern "C" fn(
        *const c_void,
        usize,
        c_uint,
        c_int,
        c_uint,
        c_uint,
        *mut c_uint,
        *mut c_void,
    ) -> c_int,
    _library: Library,
}

macro_rules! function {
    ($library:expr, $name:literal) => {
        // SAFETY: the signature is the one the library's header gives; the pointer lives as long as the library.
        unsafe { *$library.get($name).map_err(|error| missing(LIBRARY, PACKAGE, &error))? }
    };
}

impl Espeak {
    /// Opens the library and its data.
    pub fn open() -> Result<Self, StageError> {
        let library = load(LIBRARY, PACKAGE)?;
        let initialize: unsafe extern "C" fn(c_int, c_int, *const c_char, c_int) -> c_int =
            function!(library, "espeak_Initialize");
        let set_callback: unsafe extern "C" fn(
            unsafe extern "C" fn(*const c_short, c_int, *const RawEvent) -> c_int,
        ) = function!(library, "espeak_SetSynthCallback");
        // SAFETY: null asks for the data's usual place; the callback has the type the header gives.
        let rate = unsafe {
            let rate = initialize(SYNCHRONOUS, 0, std::ptr::null(), DONT_EXIT);
            set_callback(hear);
            rate
        };
        let sample_rate = u32::try_from(rate).ok().filter(|rate| *rate > 0).ok_or_else(|| {
            StageError::invalid_config(
                "espeak-ng finds no voices; install them with `apt install espeak-ng-data`",
            )
            .code("missing_voices")
        })?;
        Ok(Self {
            sample_rate,
            set_voice: function!(library, "espeak_SetVoiceByName"),
            set_voice_by_properties: function!(library, "espeak_SetVoiceByProperties"),
            set_parameter: function!(library, "espeak_SetParameter"),
            synth: function!(library, "espeak_Synth"),
            _library: library,
        })
    }

    fn prepare(&self, voice: &str, manner: Manner) -> Result<(), StageError> {
        let no_such_voice = || {
            StageError::invalid_input(format!(
                "espeak-ng has no voice `{voice}`; `espeak-ng --voices` lists those it has"
            ))
            .code("no_such_voice")
        };
        let name = CString::new(voice).map_err(|_| no_such_voice())?;
        // A voice is asked for by its name or file, and then by its language, as the program espeak-ng does.
        let by_language = RawVoice {
            name: std::ptr::null(),
            languages: name.as_ptr(),
            identifier: std::ptr::null(),
            gender: 0,
            age: 0,
            variant: 0,
            internal: 0,
            score: 0,
            spare: std::ptr::null_mut(),
        };
        // SAFETY: the name is a C string, and the properties live during the call; parameters are plain numbers.
        unsafe {
            if (self.set_voice)(name.as_ptr()) != 0
                && (self.set_voice_by_properties)(&raw const by_language) != 0
            {
                return Err(no_such_voice());
            }
            (self.set_parameter)(PARAMETER_RATE, whole(RATE_NORMAL * manner.rate).clamp(80, 450), 0);
            (self.set_parameter)(PARAMETER_PITCH, pitch_parameter(manner.pitch), 0);
        }
        Ok(())
    }
}

/// The pitch parameter, 0 to 100 with 50 as the voice's own, for a factor: measured on its English voice, which rises
/// by an octave in 67 steps and falls by one in 106.
fn pitch_parameter(factor: f32) -> c_int {
    let octaves = factor.log2();
    let steps = if octaves > 0.0 { 67.0 } else { 106.0 };
    whole(50.0 + steps * octaves).clamp(0, 100)
}

#[expect(clippy::cast_possible_truncation, reason = "factors of a few hundred")]
const fn whole(value: f32) -> c_int {
    value.round() as c_int
}

impl Engine for Espeak {
    fn say(&mut self, voice: &str, manner: Manner, tokens: &[&str]) -> Result<Spoken, StageError> {
        self.prepare(voice, manner)?;
        let (text, starts) = joined(tokens);
        let bytes =
            CString::new(text).map_err(|_| StageError::internal("a null character reached espeak-ng"))?;
        HEARD.take();
        // SAFETY: the text is a C string of the length given, terminator included; the two last pointers may be null.
        let result = unsafe {
            (self.synth)(
                bytes.as_ptr().cast(),
                bytes.as_bytes_with_nul().len(),
                0,
                0,
                0,
                CHARS_UTF8 | END_PAUSE,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        };
        let heard = HEARD.take();
        if result != 0 {
            return Err(StageError::internal(format!("espeak-ng failed with its error {result}")));
        }
        let marks = heard
            .words
            .into_iter()
            .filter_map(|(position, start_ms)| {
                let token = starts.partition_point(|start| *start < position).checked_sub(1)?;
                Some(Mark { token, start_ms, end_ms: None })
            })
            .collect();
        Ok(Spoken { samples: heard.samples, sample_rate: self.sample_rate, marks })
    }
}

/// The tokens as a text, and at which character each begins.
fn joined(tokens: &[&str]) -> (String, Vec<usize>) {
    let mut text = String::new();
    let mut starts = Vec::with_capacity(tokens.len());
    let mut chars = 0;
    for token in tokens {
        let before = text.len();
        reelmill_text::push_spaced(&mut text, token);
        let added = text[before..].chars().count();
        let own = token.chars().count();
        starts.push(chars + added - own);
        chars += added;
    }
    (text, starts)
}

/// Gathers what `espeak_Synth` says. Must not unwind: it only pushes to vectors.
unsafe extern "C" fn hear(wave: *const c_short, count: c_int, events: *const RawEvent) -> c_int {
    HEARD.with(|heard| {
        let Ok(mut heard) = heard.try_borrow_mut() else { return };
        if let Ok(count) = usize::try_from(count)
            && !wave.is_null()
        {
            // SAFETY: espeak-ng hands over `count` samples that live during this call.
            heard.samples.extend_from_slice(unsafe { std::slice::from_raw_parts(wave, count) });
        }
        let mut event = events;
        // SAFETY: the list, when there is one, ends with an event of the kind `EVENT_LIST_END`.
        while let Some(known) = unsafe { event.as_ref() }.filter(|event| event.kind != EVENT_LIST_END) {
            // Position 0 is no place in the text: espeak-ng says it now and then.
            if known.kind == EVENT_WORD
                && let Ok(position @ 1..) = usize::try_from(known.text_position)
            {
                heard.words.push((position, f64::from(known.audio_position)));
            }
            // SAFETY: the list goes on, since this was not its end.
            event = unsafe { event.add(1) };
        }
    });
    0
}
