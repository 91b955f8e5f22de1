//! Checks of hardware encoders: each is tried with one frame, or was by a worker with the same home.

use super::Check;
use crate::plugins::Found;
use reelmill_embedded::{ENCODERS_FILE, ProbedEncoder, Prober};
use reelmill_hardware::{candidates, gpus};
use std::path::Path;

pub(super) async fn checks(home: &Path, runner: &Path, found: &Found) -> Vec<Check> {
    let candidates = candidates(&gpus(), &[]);
    if candidates.is_empty() {
        return vec![Check::none("encoders", "no GPU with an encoder; videos are encoded in software")];
    }
    let scratch = std::env::temp_dir().join(format!("reelmill-doctor-{}", std::process::id()));
    let prober =
        Prober { runner, plugins: &found.plugins, scratch: &scratch, file: &home.join(ENCODERS_FILE) };
    let answers = prober.probe(candidates).await;
    if answers.is_empty() {
        return vec![Check::none("encoders", "the plugin `video` is not here, which tries them")];
    }
    answers.iter().map(check).collect()
}

/// An encoder that does not work is no harm: another one, or software, is taken in its place.
fn check(probed: &ProbedEncoder) -> Check {
    let ProbedEncoder { candidate, failure } = probed;
    let name = format!("encoder {}", candidate.encoder);
    let place = candidate.device.as_ref().map_or(String::new(), |device| format!(" on {device}"));
    match failure {
        None => Check::ok(&name, format!("encoded a frame{place}")),
        Some(reason) => Check::none(&name, format!("does not work{place}: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn an_encoder_that_fails_is_told_with_its_reason_and_is_no_harm() {
        let candidate = candidates(&[], &["h264_nvenc".to_owned()]).remove(0);
        let fails = ProbedEncoder { candidate: candidate.clone(), failure: Some("no device".to_owned()) };
        let told = check(&fails);
        assert_eq!((told.name.as_str(), told.status), ("encoder h264_nvenc", Status::None));
        assert!(told.found.ends_with("no device") && told.remedy.is_none());
        assert_eq!(check(&ProbedEncoder { candidate, failure: None }).status, Status::Ok);
    }
}
