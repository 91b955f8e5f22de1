//! Checks of what the media stages load: libav, fonts, voices.

use super::{Check, Status};
use reelmill_hardware::{is_loadable, libav};
use std::env;
use std::path::{Path, PathBuf};

/// Encoders without which no video comes out.
const NEEDED_ENCODERS: [&str; 2] = ["libx264", "aac"];
/// The family that captions are set in unless a pipeline names another.
const CAPTION_FONT_FILE: &str = "DejaVuSans.ttf";
/// Folders looked at when searching for fonts.
const FONT_FOLDERS_MAX: usize = 2_000;

pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![codecs()];
    checks.push(fonts(&font_roots()));
    checks.push(voice("voice flite", &["libflite.so.1", "libflite_cmu_us_slt.so.1"], "libflite1"));
    checks.push(voice("voice espeak-ng", &["libespeak-ng.so.1"], "libespeak-ng1 espeak-ng-data"));
    checks
}

fn codecs() -> Check {
    const INSTALL: &str = "apt-get install libavcodec59 libavdevice59 libavfilter8 libavformat59 libpostproc56 \
                           libswresample4 libswscale6";
    let Some(libav) = libav() else {
        return Check::bad("libav", Status::Missing, "libavcodec is not installed", INSTALL);
    };
    let (present, absent): (Vec<_>, Vec<_>) = libav.encoders.iter().partition(|encoder| encoder.present);
    let names = |encoders: &[&reelmill_hardware::Encoder]| {
        encoders.iter().map(|encoder| encoder.name).collect::<Vec<_>>().join(", ")
    };
    let found = format!("libavcodec {}: {}", libav.libavcodec, names(&present));
    if absent.is_empty() {
        return Check::ok("libav", found);
    }
    let needed = absent.iter().any(|encoder| NEEDED_ENCODERS.contains(&encoder.name));
    let status = if needed { Status::Missing } else { Status::Warn };
    let lost = absent.iter().map(|encoder| encoder.makes).collect::<Vec<_>>().join(", ");
    let found = format!("{found}; without {}: no {lost}", names(&absent));
    Check::bad("libav", status, found, format!("install a libav that has them: {INSTALL}"))
}

/// The folders fontconfig looks in by default.
fn font_roots() -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from("/usr/share/fonts"), PathBuf::from("/usr/local/share/fonts")];
    roots.extend(env::var_os("HOME").map(|home| Path::new(&home).join(".local/share/fonts")));
    roots
}

fn fonts(roots: &[PathBuf]) -> Check {
    const INSTALL: &str =
        "apt-get install fonts-dejavu-core (and fonts-noto-core, fonts-noto-cjk for other scripts)";
    let files = font_files(roots);
    let default = files.iter().any(|file| file.ends_with(CAPTION_FONT_FILE));
    match (files.len(), default) {
        (0, _) => Check::bad("fonts", Status::Missing, "no font: captions cannot be drawn", INSTALL),
        (count, false) => {
            Check::bad("fonts", Status::Warn, format!("{count} files, but not {CAPTION_FONT_FILE}"), INSTALL)
        }
        (count, true) => Check::ok("fonts", format!("{count} files, DejaVu Sans among them")),
    }
}

/// Font files in these folders and below.
fn font_files(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut open = roots.to_vec();
    let mut files = Vec::new();
    let mut looked_at = 0;
    while let Some(folder) = open.pop() {
        looked_at += 1;
        if looked_at > FONT_FOLDERS_MAX {
            break;
        }
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // A link is not followed as a folder, so a loop of links ends.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ["ttf", "otf", "ttc"].iter().any(|e| ext == *e)) {
                files.push(path);
            }
        }
    }
    files
}

fn voice(name: &str, libraries: &[&str], packages: &str) -> Check {
    let absent: Vec<&str> = libraries.iter().copied().filter(|library| !is_loadable(library)).collect();
    if absent.is_empty() {
        return Check::ok(name, libraries.join(", "));
    }
    Check::bad(
        name,
        Status::Warn,
        format!("not found: {}", absent.join(", ")),
        format!("apt-get install {packages}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_are_found_in_folders_below() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let roots = [root.path().to_path_buf()];
        assert_eq!(fonts(&roots).status, Status::Missing);
        std::fs::create_dir_all(root.path().join("truetype/other")).expect("a folder can be made");
        std::fs::write(root.path().join("truetype/other/Other.otf"), "").expect("a file can be written");
        assert_eq!(fonts(&roots).status, Status::Warn, "captions would be set in another font");
        std::fs::write(root.path().join("truetype").join(CAPTION_FONT_FILE), "")
            .expect("a file can be written");
        assert_eq!(fonts(&roots).status, Status::Ok);
    }

    #[test]
    fn a_voice_that_is_not_there_names_its_package() {
        let check = voice("voice x", &["libc.so.6", "libreelmill-no-voice.so.1"], "libx1");
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.remedy.as_deref(), Some("apt-get install libx1"));
        assert!(check.found.ends_with("libreelmill-no-voice.so.1"), "{}", check.found);
    }
}
