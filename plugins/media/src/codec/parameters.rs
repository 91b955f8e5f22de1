//! What each encoder is told, by vendor and generation. Pure.
//!
//! Presets and quality are given on x264's scale and translated. The numbers of hardware encoders follow the vendors' and
//! libav's documents; they are starts, not measurements. What an older libav does not know is left away, but for what
//! decides the quality: without that the encoder is refused.

use super::{Generation, PRESETS, Vendor, VideoCodec};

/// One option of an encoder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its name in libav.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Whether the encoder is not taken where libav does not know it.
    pub needed: bool,
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
fn needed(name: &'static str, value: impl ToString) -> Parameter {
    Parameter { name, value: value.to_string(), needed: true }
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
fn better(name: &'static str, value: impl ToString) -> Parameter {
    Parameter { name, value: value.to_string(), needed: false }
}

/// What decides about parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub codec: VideoCodec,
    /// x264's word, or a number of SVT-AV1.
    pub preset: &'a str,
    /// On the scale of the codec's software encoder.
    pub crf: f32,
    pub ten_bit: bool,
}

impl Target<'_> {
    /// 0 (ultrafast) to 9 (placebo).
    fn slowness(&self) -> usize {
        PRESETS.iter().position(|word| *word == self.preset).unwrap_or(5)
    }

    /// A vendor's figure of quality: its own usual one, as far off as what is wanted is from the software's usual one.
    fn quality(&self, usual: f32, most: f32) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 63")]
        let figure = (usual + self.crf - self.codec.default_crf()).round().clamp(1.0, most) as u32;
        figure
    }
}

/// The parameters of the codec's own software encoder.
pub(super) fn software(target: &Target<'_>) -> Vec<Parameter> {
    let preset = match target.codec {
        VideoCodec::Av1 => svt_preset(target.preset),
        VideoCodec::H264 | VideoCodec::H265 => target.preset.to_owned(),
    };
    let mut all = vec![needed("preset", preset), needed("crf", target.crf)];
    if target.codec == VideoCodec::H265 {
        // Its own log goes to stderr past libav's.
        all.push(needed("x265-params", "log-level=error:open-gop=0"));
    }
    all
}

/// SVT-AV1's number for a preset named as x264 names them.
fn svt_preset(name: &str) -> String {
    let number = match name {
        "ultrafast" => "12",
        "superfast" => "11",
        "veryfast" => "10",
        "faster" => "9",
        "fast" => "8",
        "medium" => "7",
        "slow" => "5",
        "slower" => "4",
        "veryslow" | "placebo" => "3",
        other => other,
    };
    number.to_owned()
}

/// libaom's: a second way to AV1 in software.
pub(super) fn aom(target: &Target<'_>) -> Vec<Parameter> {
    let cpu_used = [8, 8, 7, 6, 6, 5, 4, 3, 2, 1][target.slowness()];
    vec![
        needed("crf", target.crf),
        needed("b", 0),
        needed("cpu-used", cpu_used),
        better("row-mt", 1),
        better("usage", if cpu_used > 6 { "realtime" } else { "good" }),
    ]
}

/// The parameters of a hardware encoder; the device is the vendor's own name of it.
pub(super) fn hardware(
    vendor: Vendor,
    generation: Generation,
    device: Option<&str>,
    target: &Target<'_>,
) -> Vec<Parameter> {
    match vendor {
        Vendor::Nvenc => nvenc(generation, device, target),
        Vendor::Qsv => qsv(generation, target),
        Vendor::Amf => amf(target),
        Vendor::Vaapi => vaapi(generation, target),
        Vendor::Software => software(target),
    }
}

/// NVENC: constant quality within a variable rate that nothing bounds. B frames of HEVC, B frames as references and
/// temporal AQ came with Turing.
fn nvenc(generation: Generation, device: Option<&str>, target: &Target<'_>) -> Vec<Parameter> {
    let slowness = target.slowness();
    let preset = ["p1", "p1", "p2", "p3", "p3", "p4", "p5", "p6", "p7", "p7"][slowness];
    let (usual, most) = match target.codec {
        VideoCodec::H264 => (24.0, 51.0),
        VideoCodec::H265 => (27.0, 51.0),
        VideoCodec::Av1 => (34.0, 63.0),
    };
    let known = generation != Generation::Unknown;
    let newest = generation == Generation::Blackwell;
    let mut all = vec![
        needed("preset", preset),
        // The highest quality there is: a mode that came with Blackwell's drivers, for codecs that have it.
        better(
            "tune",
            if newest && slowness >= 7 && target.codec != VideoCodec::H264 { "uhq" } else { "hq" },
        ),
        needed("rc", "vbr"),
        needed("cq", target.quality(usual, most)),
        needed("b", 0),
        better("spatial-aq", 1),
        better("forced-idr", 1),
    ];
    if slowness >= 4 {
        let ahead = if matches!(generation, Generation::Ada | Generation::Blackwell) { 32 } else { 20 };
        all.push(better("rc-lookahead", ahead));
    }
    if slowness >= 6 {
        all.push(better("multipass", "qres"));
    }
    if known {
        all.push(better("temporal-aq", 1));
        all.push(better("b_ref_mode", "middle"));
    }
    let b_frames = if known || target.codec == VideoCodec::H264 { 3 } else { 0 };
    all.push(better("bf", b_frames));
    if target.ten_bit && target.codec == VideoCodec::H265 {
        all.push(needed("profile", "main10"));
    }
    all.extend(device.map(|device| needed("gpu", device)));
    all
}

/// Quick Sync: intelligent constant quality. Arc has its low-power encoder only.
fn qsv(generation: Generation, target: &Target<'_>) -> Vec<Parameter> {
    let slowness = target.slowness();
    let preset = [
        "veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
        "veryslow",
    ][slowness];
    let usual = match target.codec {
        VideoCodec::H264 => 24.0,
        VideoCodec::H265 => 26.0,
        VideoCodec::Av1 => 28.0,
    };
    let mut all = vec![
        needed("preset", preset),
        needed("global_quality", target.quality(usual, 51.0)),
        better("async_depth", 4),
        better("idr_interval", 0),
    ];
    match generation {
        Generation::Arc => all.push(better("low_power", 1)),
        Generation::Integrated if target.codec == VideoCodec::H264 && slowness >= 5 => {
            all.extend([better("look_ahead", 1), better("look_ahead_depth", 40)]);
        }
        _ => {}
    }
    if slowness >= 5 {
        all.extend([better("adaptive_b", 1), better("b_strategy", 1)]);
    }
    all
}

/// AMF: a constant quantiser, because its other modes want a rate.
fn amf(target: &Target<'_>) -> Vec<Parameter> {
    let quality = match target.slowness() {
        0..=2 => "speed",
        3..=5 => "balanced",
        _ => "quality",
    };
    let usual = match target.codec {
        VideoCodec::H264 => 23.0,
        VideoCodec::H265 => 25.0,
        VideoCodec::Av1 => 30.0,
    };
    let figure = target.quality(usual, 51.0);
    vec![
        needed("usage", "transcoding"),
        needed("quality", quality),
        needed("rc", "cqp"),
        needed("qp_i", figure),
        needed("qp_p", (figure + 2).min(51)),
    ]
}

/// VA-API: Intel's drivers have constant quality, others a constant quantiser only.
fn vaapi(generation: Generation, target: &Target<'_>) -> Vec<Parameter> {
    let usual = match target.codec {
        VideoCodec::H264 => 24.0,
        VideoCodec::H265 => 26.0,
        VideoCodec::Av1 => 32.0,
    };
    let figure = target.quality(usual, 51.0);
    if matches!(generation, Generation::Arc | Generation::Integrated) {
        // 1 is Intel's best and slowest, 7 its fastest.
        let level = [7, 7, 6, 6, 5, 4, 3, 2, 1, 1][target.slowness()];
        let mut all = vec![
            needed("rc_mode", "ICQ"),
            needed("global_quality", figure),
            better("compression_level", level),
        ];
        if generation == Generation::Arc {
            all.push(better("low_power", 1));
        }
        return all;
    }
    // AV1 has no option `qp`; all take the figure that stands for it.
    vec![needed("rc_mode", "CQP"), needed("global_quality", figure), better("qp", figure)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(codec: VideoCodec, preset: &str) -> Target<'_> {
        Target { codec, preset, crf: codec.default_crf(), ten_bit: false }
    }

    fn value(all: &[Parameter], name: &str) -> Option<String> {
        all.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value.clone())
    }

    #[test]
    fn better_quality_is_a_lower_figure_for_every_vendor() {
        for vendor in Vendor::HARDWARE {
            for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1] {
                let figure = |offset: f32| {
                    let target = Target { crf: codec.default_crf() + offset, ..target(codec, "medium") };
                    let all = hardware(vendor, Generation::Unknown, None, &target);
                    let all = ["cq", "global_quality", "qp_i"].iter().find_map(|name| value(&all, name));
                    all.and_then(|figure| figure.parse::<u32>().ok()).expect("each has a figure")
                };
                assert_eq!(figure(0.0) - figure(-4.0), 4, "{vendor:?} {codec:?}");
                assert!(figure(100.0) <= 63 && figure(-100.0) == 1, "{vendor:?} {codec:?}");
            }
        }
    }

    #[test]
    fn slower_is_never_faster() {
        let rank = |name: &str| -> i32 {
            match name {
                "speed" => 0,
                "balanced" => 1,
                "quality" => 2,
                word => PRESETS.iter().position(|preset| *preset == word).map_or_else(
                    || word.trim_start_matches('p').parse().expect("p1 to p7"),
                    |at| i32::try_from(at).expect("few"),
                ),
            }
        };
        for (vendor, name) in [(Vendor::Nvenc, "preset"), (Vendor::Qsv, "preset"), (Vendor::Amf, "quality")] {
            let ranks: Vec<i32> = PRESETS
                .iter()
                .map(|preset| {
                    let target = target(VideoCodec::H264, preset);
                    rank(&value(&hardware(vendor, Generation::Ada, None, &target), name).expect("it is set"))
                })
                .collect();
            assert!(ranks.is_sorted() && ranks[0] < ranks[9], "{vendor:?}: {ranks:?}");
        }
    }

    #[test]
    fn what_a_generation_cannot_it_is_not_told() {
        let of = |generation| nvenc(generation, Some("1"), &target(VideoCodec::H265, "medium"));
        let old = of(Generation::Unknown);
        assert_eq!((value(&old, "bf"), value(&old, "b_ref_mode")), (Some("0".into()), None));
        let turing = of(Generation::Turing);
        assert_eq!(value(&turing, "bf"), Some("3".into()));
        assert_eq!(value(&turing, "rc-lookahead"), Some("20".into()));
        assert_eq!(value(&of(Generation::Ada), "rc-lookahead"), Some("32".into()));
        assert_eq!(value(&turing, "gpu"), Some("1".into()));
        let uhq = nvenc(Generation::Blackwell, None, &target(VideoCodec::H265, "slower"));
        assert_eq!(value(&uhq, "tune"), Some("uhq".into()));
        let arc = qsv(Generation::Arc, &target(VideoCodec::Av1, "medium"));
        assert_eq!(value(&arc, "low_power"), Some("1".into()));
        let modes = [Generation::Arc, Generation::Radeon]
            .map(|generation| value(&vaapi(generation, &target(VideoCodec::H265, "medium")), "rc_mode"));
        assert_eq!(modes, [Some("ICQ".into()), Some("CQP".into())]);
    }
}
