//! Which encoders are tried, in which order, and why. Pure: what works on this machine was probed by others.

use super::parameters::{self, Parameter, Target};
use super::{Generation, Vendor, VideoCodec};
use crate::encode::VideoSettings;

/// Which encoder somebody wants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Wish {
    /// Hardware that was seen to work, then software; for slow presets software, which makes smaller files.
    #[default]
    Auto,
    /// Software only.
    Software,
    /// A vendor's first.
    Vendor(Vendor),
    /// This one first, by its name in libav.
    Named(String),
}

impl Wish {
    /// From the word of a person: `auto`, `software`, a vendor, or an encoder's name.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match (word, Vendor::from_word(word)) {
            ("auto", _) => Self::Auto,
            (_, Some(Vendor::Software)) => Self::Software,
            (_, Some(vendor)) => Self::Vendor(vendor),
            _ => Self::Named(word.to_owned()),
        }
    }

    fn is_met_by(&self, encoder: &str) -> bool {
        match self {
            Self::Auto => true,
            Self::Software => Vendor::of(encoder) == Vendor::Software,
            Self::Vendor(vendor) => Vendor::of(encoder) == *vendor,
            Self::Named(name) => name == encoder,
        }
    }
}

/// A hardware encoder that was tried with one frame on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probed {
    /// Its name in libav.
    pub encoder: String,
    /// What the GPU is.
    pub generation: Generation,
    /// The GPU, as the encoder names it: a number for NVENC, a render node for VA-API.
    pub device: Option<String>,
    /// Why it does not work; nothing where it does.
    pub failure: Option<String>,
}

/// An encoder that is tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Its name in libav.
    pub encoder: String,
    /// The GPU, as the encoder names it.
    pub device: Option<String>,
    /// What it is told.
    pub parameters: Vec<Parameter>,
    /// Why it stands where it does.
    pub why: String,
}

impl Choice {
    /// Whose it is.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        Vendor::of(&self.encoder)
    }

    /// The same with nothing but what is needed.
    #[must_use]
    pub fn plain(&self) -> Self {
        let needed = self.parameters.iter().filter(|parameter| parameter.needed).cloned();
        Self { parameters: needed.collect(), ..self.clone() }
    }
}

/// An encoder that is not tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Its name in libav.
    pub encoder: String,
    /// Why not.
    pub reason: String,
}

/// Who is tried, in order, and who is not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chain {
    /// In order.
    pub choices: Vec<Choice>,
    /// Not tried.
    pub left_out: Vec<LeftOut>,
}

/// The hardware encoders of a codec, in the order in which they are tried.
pub fn hardware_encoders(codec: VideoCodec) -> impl Iterator<Item = String> {
    Vendor::HARDWARE.into_iter().map(move |vendor| format!("{}_{}", codec.stem(), vendor.word()))
}

/// Who is tried for these settings. With `fallback` those who were not wished for come after those who were; software
/// is the last, and never left out then.
#[must_use]
pub fn chain(settings: &VideoSettings, wish: &Wish, fallback: bool, probed: &[Probed]) -> Chain {
    let target = Target {
        codec: settings.codec,
        preset: &settings.preset,
        crf: settings.crf,
        ten_bit: settings.ten_bit,
    };
    let mut chain = Chain::default();
    for encoder in hardware_encoders(settings.codec) {
        let (wished, named) = (wish.is_met_by(&encoder), *wish != Wish::Auto && *wish != Wish::Software);
        if !wished && (*wish == Wish::Software || !fallback) {
            continue;
        }
        let vendor = Vendor::of(&encoder);
        let mut seen = probed.iter().filter(|one| one.encoder == encoder).peekable();
        if seen.peek().is_none() && wished && named {
            // Nobody probed it here; whoever names it gets it tried.
            let parameters = parameters::hardware(vendor, Generation::Unknown, None, &target);
            chain.choices.push(Choice { encoder, device: None, parameters, why: "it was asked for".into() });
            continue;
        }
        for one in seen {
            match cannot(vendor, one.generation, &target).or_else(|| one.failure.clone()) {
                Some(reason) => chain.left_out.push(LeftOut { encoder: encoder.clone(), reason }),
                None => chain.choices.push(of_probe(one, vendor, &target, wished && named)),
            }
        }
    }
    // Those that were wished for come first; the order among them stays.
    chain.choices.sort_by_key(|choice| !wish.is_met_by(&choice.encoder));
    let mut software = software(&target);
    if let Wish::Named(name) = wish {
        software.sort_by_key(|choice| choice.encoder != *name);
        if !fallback {
            software.retain(|choice| choice.encoder == *name);
        }
    } else if matches!(wish, Wish::Vendor(_)) && !fallback {
        software.clear();
    }
    let first = match wish {
        Wish::Auto => is_slow(&settings.preset),
        Wish::Named(name) => software.iter().any(|choice| choice.encoder == *name),
        Wish::Software | Wish::Vendor(_) => false,
    };
    if first {
        software[0].why = if *wish == Wish::Auto {
            format!("preset {} wants small files, which software makes", settings.preset)
        } else {
            "it was asked for".into()
        };
        let rest = software.split_off(1);
        chain.choices.splice(0..0, software);
        software = rest;
    }
    chain.choices.extend(software);
    chain
}

fn is_slow(preset: &str) -> bool {
    matches!(preset, "slower" | "veryslow" | "placebo")
}

fn of_probe(one: &Probed, vendor: Vendor, target: &Target<'_>, named: bool) -> Choice {
    let place = one.device.as_ref().map_or(String::new(), |device| format!(" on {device}"));
    let why = if named { "it was asked for, and" } else { "it" };
    Choice {
        encoder: one.encoder.clone(),
        device: one.device.clone(),
        parameters: parameters::hardware(vendor, one.generation, one.device.as_deref(), target),
        why: format!("{why} was seen to work{place} ({})", one.generation.word()),
    }
}

fn software(target: &Target<'_>) -> Vec<Choice> {
    let own = |encoder: &str, parameters, why: &str| Choice {
        encoder: encoder.to_owned(),
        device: None,
        parameters,
        why: why.to_owned(),
    };
    let first = own(target.codec.encoder(), parameters::software(target), "software works everywhere");
    let second = (target.codec == VideoCodec::Av1)
        .then(|| own("libaom-av1", parameters::aom(target), "the other encoder of AV1"));
    std::iter::once(first).chain(second).collect()
}

/// What no GPU of a generation does, whatever its driver says.
fn cannot(vendor: Vendor, generation: Generation, target: &Target<'_>) -> Option<String> {
    let reason = match (vendor, generation, target.codec) {
        (Vendor::Nvenc, Generation::Turing | Generation::Ampere, VideoCodec::Av1) => {
            "NVENC writes AV1 from Ada on"
        }
        (Vendor::Amf | Vendor::Vaapi, Generation::Radeon, VideoCodec::Av1) => "AMD writes AV1 from RDNA 3 on",
        (_, Generation::Blackwell, VideoCodec::H264) => return None,
        (_, _, VideoCodec::H264) if target.ten_bit => "its H.264 has 8 bits a colour",
        _ => return None,
    };
    Some(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(codec: VideoCodec, preset: &str) -> VideoSettings {
        VideoSettings {
            codec,
            width: 640,
            height: 360,
            fps: 30,
            crf: codec.default_crf(),
            preset: preset.into(),
            threads: 1,
            keyframe_interval: 60,
            ten_bit: false,
        }
    }

    fn works(encoder: &str, generation: Generation) -> Probed {
        Probed { encoder: encoder.into(), generation, device: None, failure: None }
    }

    fn names(chain: &Chain) -> Vec<&str> {
        chain.choices.iter().map(|choice| choice.encoder.as_str()).collect()
    }

    #[test]
    fn hardware_that_works_comes_before_software_and_the_rest_is_left_out_with_its_reason() {
        let fails = Probed { failure: Some("no session".into()), ..works("h264_qsv", Generation::Arc) };
        let seen = [works("h264_vaapi", Generation::Arc), fails, works("h264_nvenc", Generation::Ada)];
        let chain = chain(&settings(VideoCodec::H264, "medium"), &Wish::Auto, true, &seen);
        assert_eq!(names(&chain), ["h264_nvenc", "h264_vaapi", "libx264"]);
        assert_eq!(chain.left_out, [LeftOut { encoder: "h264_qsv".into(), reason: "no session".into() }]);
        assert!(chain.choices[0].why.contains("ada"), "{:?}", chain.choices[0]);
    }

    #[test]
    fn what_was_asked_for_comes_first_and_without_fallback_alone() {
        let seen = [works("hevc_nvenc", Generation::Ada), works("hevc_vaapi", Generation::Radeon)];
        let of = |word: &str, fallback, preset| {
            let settings = settings(VideoCodec::H265, preset);
            names(&chain(&settings, &Wish::from_word(word), fallback, &seen))
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(of("auto", true, "medium"), ["hevc_nvenc", "hevc_vaapi", "libx265"]);
        assert_eq!(of("auto", true, "veryslow"), ["libx265", "hevc_nvenc", "hevc_vaapi"]);
        assert_eq!(of("software", true, "medium"), ["libx265"]);
        assert_eq!(of("vaapi", true, "medium"), ["hevc_vaapi", "hevc_nvenc", "libx265"]);
        assert_eq!(of("vaapi", false, "medium"), ["hevc_vaapi"]);
        assert_eq!(of("hevc_nvenc", false, "veryslow"), ["hevc_nvenc"]);
        assert_eq!(of("libx265", true, "medium"), ["libx265", "hevc_nvenc", "hevc_vaapi"]);
        assert_eq!(of("libx265", false, "medium"), ["libx265"]);
        assert_eq!(of("hevc_qsv", true, "medium"), ["hevc_qsv", "hevc_nvenc", "hevc_vaapi", "libx265"]);
        assert_eq!(of("h264_qsv", false, "medium"), Vec::<String>::new(), "it makes another codec");
    }

    #[test]
    fn no_generation_is_asked_for_what_it_cannot() {
        let seen = [works("av1_nvenc", Generation::Ampere), works("av1_qsv", Generation::Arc)];
        let av1 = chain(&settings(VideoCodec::Av1, "medium"), &Wish::Auto, true, &seen);
        assert_eq!(names(&av1), ["av1_qsv", "libsvtav1", "libaom-av1"]);
        assert!(av1.left_out[0].reason.contains("Ada"));
        let deep = VideoSettings { ten_bit: true, ..settings(VideoCodec::H264, "medium") };
        let seen = [works("h264_nvenc", Generation::Ada)];
        assert_eq!(names(&chain(&deep, &Wish::Auto, true, &seen)), ["libx264"]);
        let seen = [works("h264_nvenc", Generation::Blackwell)];
        assert_eq!(names(&chain(&deep, &Wish::Auto, true, &seen)), ["h264_nvenc", "libx264"]);
    }
}
