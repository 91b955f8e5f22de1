//! The other side: one `ffmpeg` command that makes the same video from the same files.

use crate::material::{Composition, SHOT_S};
use reelmill_media::escape;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// The command.
pub fn command(composition: &Composition, to: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    for clip in composition.clips() {
        command.args(["-t", &SHOT_S.to_string()]).arg("-i").arg(clip);
    }
    command.arg("-i").arg(composition.file("voice.m4a"));
    command.args(["-stream_loop", "-1"]).arg("-i").arg(composition.file("music.m4a"));
    command.args(["-filter_complex", &graph(composition), "-map", "[v]", "-map", "[a]"]);
    command.args(["-c:v", "libx264", "-preset", "medium", "-crf", "23", "-threads", "2", "-g", "150"]);
    command.args(["-pix_fmt", "yuv420p", "-r", "30", "-c:a", "aac", "-b:a", "192k", "-ar", "48000"]);
    command.args(["-t", &composition.seconds().to_string(), "-movflags", "+faststart"]).arg(to);
    command
}

fn graph(composition: &Composition) -> String {
    let (width, height) = (composition.canvas.width, composition.canvas.height);
    let (count, seconds) = (composition.shots, composition.seconds());
    let mut graph = String::new();
    let mut joined = String::new();
    for n in 0..count {
        let _ = write!(
            graph,
            "[{n}:v]fps=30,crop='min(iw,2*ceil(ih*{width}/{height}/2))':'min(ih,2*ceil(iw*{height}/{width}/2))',\
             scale={width}:{height}:flags=lanczos,setsar=1,format=yuv420p[v{n}];"
        );
        let _ = write!(joined, "[v{n}]");
    }
    let captions = escape(&composition.file("captions.ass").to_string_lossy());
    let fade = seconds - 3;
    let _ = write!(
        graph,
        "{joined}concat=n={count}:v=1:a=0,trim=duration={seconds},ass=filename={captions},\
         setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv[v];\
         [{count}:a]aresample=48000,aformat=channel_layouts=stereo,asplit=2[n1][n2];\
         [{}:a]volume=-14dB,atrim=duration={seconds},afade=t=out:st={fade}:d=3[b];\
         [b][n1]sidechaincompress=threshold=0.05:ratio=4:attack=20:release=300[bd];\
         [n2][bd]amix=inputs=2:duration=first:normalize=0[a]",
        count + 1
    );
    graph
}
