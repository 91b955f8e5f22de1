//! What is done to every frame of the canvas last: filters, logos, then texts.

use crate::captions::Lettering;
use crate::overlay::Logo;
use crate::plan::Canvas;
use reelmill_content::Filter;
use reelmill_media::{
    Error, Graph, Pixel, Pull, Rational, Result, VideoFormat, VideoFrame, VideoReader, probe, share,
};
use std::fmt::Write as _;

/// The last things over the pictures of a video.
pub struct Finish {
    filters: Vec<Filter>,
    logos: Vec<Placed>,
    lettering: Option<Lettering>,
    /// Whether colours take 10 bits instead of 8.
    ten_bit: bool,
    /// The picture.
    pub canvas: Canvas,
}

/// A logo that was read.
struct Placed {
    logo: Logo,
    picture: VideoFrame,
    format: VideoFormat,
}

impl Finish {
    /// Reads the logos.
    pub fn new(logos: &[Logo], lettering: Option<Lettering>, ten_bit: bool, canvas: Canvas) -> Result<Self> {
        let logos = logos.iter().map(Placed::read).collect::<Result<_>>()?;
        Ok(Self { filters: Vec::new(), logos, lettering, ten_bit, canvas })
    }

    /// The same with filters before all of it.
    #[must_use]
    pub fn filtered(self, filters: &[Filter]) -> Self {
        Self { filters: filters.to_vec(), ..self }
    }

    /// A graph that does it; nothing when nothing is to be done.
    pub fn graph(&self) -> Result<Option<Graph>> {
        let plain = self.filters.is_empty() && self.logos.is_empty() && self.lettering.is_none();
        if plain && !self.ten_bit {
            return Ok(None);
        }
        let fps = i32::try_from(self.canvas.fps).unwrap_or(30);
        let mut formats = vec![VideoFormat {
            width: self.canvas.width,
            height: self.canvas.height,
            pixel: Pixel::YUV420P,
            time_base: Rational(1, fps),
            sar: Rational(1, 1),
            rate: Some(Rational(fps, 1)),
        }];
        formats.extend(self.logos.iter().map(|placed| placed.format.clone()));
        let mut graph = Graph::video(&self.spec(), &formats)?;
        for (index, placed) in self.logos.iter().enumerate() {
            let mut picture = share(&placed.picture);
            picture.set_pts(Some(0));
            graph.send_video(index + 1, picture)?;
            graph.end(index + 1)?;
        }
        Ok(Some(graph))
    }

    fn spec(&self) -> String {
        let mut spec = String::new();
        let mut last = if self.filters.is_empty() { "in0" } else { "filtered" }.to_owned();
        if !self.filters.is_empty() {
            let all: Vec<&str> = self.filters.iter().map(|filter| filter.spec()).collect();
            let _ = write!(spec, "[in0]{},format=yuv420p[filtered];", all.join(","));
        }
        for (index, placed) in self.logos.iter().enumerate() {
            let number = index + 1;
            let _ = write!(spec, "{}", placed.spec(number, &last, self.canvas));
            last = format!("over{number}");
        }
        let texts = self.lettering.as_ref().map_or_else(String::new, |l| l.filter() + ",");
        let pixel = if self.ten_bit { "yuv420p10le" } else { "yuv420p" };
        let _ = write!(spec, "[{last}]{texts}setsar=1,format={pixel}[out]");
        spec
    }
}

impl Placed {
    fn read(logo: &Logo) -> Result<Self> {
        let path = logo.media.path();
        if probe(path)?.video.is_none() {
            return Err(Error::Setting(format!("{} has no picture; a logo is one", path.display())));
        }
        let mut reader = VideoReader::open(path, 0, 1)?;
        let picture = reader
            .next_frame()?
            .ok_or_else(|| Error::Setting(format!("{} holds no picture", path.display())))?;
        let format = VideoFormat::of(&picture, reader.time_base());
        Ok(Self { logo: logo.clone(), picture, format })
    }

    /// The part of the graph that lays it over what comes as `[below]`.
    fn spec(&self, number: usize, below: &str, canvas: Canvas) -> String {
        let (width, height, x, y) =
            self.logo.area(canvas, f64::from(self.format.width), f64::from(self.format.height));
        let from = self.logo.at_ms as f64 / 1_000.0;
        let when = match self.logo.duration_ms {
            Some(ms) => format!("between(t,{from:.3},{:.3})", from + ms as f64 / 1_000.0 - 0.001),
            None => format!("gte(t,{from:.3})"),
        };
        format!(
            "[in{number}]format=rgba,colorchannelmixer=aa={:.3},\
             scale={width}:{height}:flags=lanczos:out_color_matrix=bt709:out_range=tv,format=yuva420p[logo{number}];\
             [{below}][logo{number}]overlay={x}:{y}:format=yuv420:enable='{when}'[over{number}];",
            self.logo.opacity
        )
    }
}

/// Puts one frame through the graph.
pub fn finished(graph: &mut Graph, frame: VideoFrame) -> Result<VideoFrame> {
    graph.send_video(0, frame)?;
    let mut finished = VideoFrame::empty();
    if graph.pull(&mut finished)? != Pull::Frame {
        return Err(Error::Graph {
            spec: "the last filters".into(),
            reason: "they gave no frame for a frame".into(),
            log: Vec::new(),
        });
    }
    Ok(finished)
}
