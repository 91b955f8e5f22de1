//! A filter graph from a plain text: named inputs, one output, and a check on every frame that goes in or out.
//!
//! The text is what the `ffmpeg` program would take for `-filter_complex`, so that it can be tried by hand.
//! Frames are fed only to the input the graph asked for, which keeps memory flat.
#![expect(unsafe_code, reason = "channel layouts of frames and contexts have no safe door")]

use crate::error::{Error, Result};
use ffmpeg_next::{self as av, ffi, filter, format::Pixel, format::Sample, frame};
use std::ffi::{CStr, c_char};

/// What a picture is.
#[derive(Clone, PartialEq, Debug)]
pub struct VideoFormat {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// How a pixel is stored.
    pub pixel: Pixel,
    /// The unit of frame times.
    pub time_base: av::Rational,
    /// Shape of a pixel; `1/1` is square.
    pub sar: av::Rational,
    /// Frames a second where that is constant; some filters (`xfade`) refuse inputs without.
    pub rate: Option<av::Rational>,
}

/// What a piece of sound is.
#[derive(Clone, PartialEq, Debug)]
pub struct AudioFormat {
    /// Samples a second.
    pub rate: u32,
    /// How a sample is stored.
    pub sample: Sample,
    /// libav's name of the channel layout, for example `stereo`.
    pub layout: String,
}

impl VideoFormat {
    /// The format of a frame.
    #[must_use]
    pub fn of(frame: &frame::Video, time_base: av::Rational) -> Self {
        let sar = frame.aspect_ratio();
        Self {
            width: frame.width(),
            height: frame.height(),
            pixel: frame.format(),
            time_base,
            sar: if sar.numerator() > 0 { sar } else { av::Rational(1, 1) },
            rate: None,
        }
    }

    fn arguments(&self) -> String {
        // SAFETY: the function takes a value and returns a static text, or null for a format it does not know.
        let pixel = unsafe {
            let name = ffi::av_get_pix_fmt_name(self.pixel.into());
            if name.is_null() { "none".into() } else { CStr::from_ptr(name).to_string_lossy() }
        };
        let rate = self
            .rate
            .map_or_else(String::new, |r| format!(":frame_rate={}/{}", r.numerator(), r.denominator()));
        format!(
            "video_size={}x{}:pix_fmt={pixel}:time_base={}/{}:pixel_aspect={}/{}{rate}",
            self.width,
            self.height,
            self.time_base.numerator(),
            self.time_base.denominator(),
            self.sar.numerator(),
            self.sar.denominator()
        )
    }

    fn check(&self, place: &str, frame: &frame::Video) -> Result<()> {
        if (frame.width(), frame.height(), frame.format()) == (self.width, self.height, self.pixel) {
            return Ok(());
        }
        let words = |w: u32, h: u32, p: Pixel| format!("{w}x{h} {p:?}");
        Err(Error::mismatch(
            place,
            words(self.width, self.height, self.pixel),
            words(frame.width(), frame.height(), frame.format()),
        ))
    }
}

impl AudioFormat {
    /// Interleaved 32-bit floats at 48 kHz in stereo: what all sound here becomes.
    #[must_use]
    pub fn house() -> Self {
        Self {
            rate: crate::RATE,
            sample: Sample::F32(av::format::sample::Type::Packed),
            layout: "stereo".into(),
        }
    }

    /// The format of a frame.
    #[must_use]
    pub fn of(frame: &frame::Audio) -> Self {
        let mut text = [0 as c_char; 64];
        // SAFETY: the frame's layout is valid as long as the frame, and at most the given length is written,
        // with a closing zero.
        let layout = unsafe {
            ffi::av_channel_layout_describe(
                &raw const (*frame.as_ptr()).ch_layout,
                text.as_mut_ptr(),
                text.len(),
            );
            CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
        };
        Self { rate: frame.rate(), sample: frame.format(), layout }
    }

    fn arguments(&self) -> String {
        format!(
            "time_base=1/{0}:sample_rate={0}:sample_fmt={1}:channel_layout={2}",
            self.rate,
            self.sample.name(),
            self.layout
        )
    }

    pub(crate) fn check(&self, place: &str, frame: &frame::Audio) -> Result<()> {
        let got = Self::of(frame);
        if got == *self {
            Ok(())
        } else {
            Err(Error::mismatch(place, format!("{self:?}"), format!("{got:?}")))
        }
    }
}

enum Port {
    Video(VideoFormat),
    Audio(AudioFormat),
}

/// What a graph answers when it is asked for output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pull {
    /// The frame was filled.
    Frame,
    /// The graph wants a frame (or the end) on this input first.
    Feed(usize),
    /// Nothing more will come.
    End,
}

/// A running filter graph.
pub struct Graph {
    inner: filter::Graph,
    spec: String,
    sources: Vec<(String, Port)>,
    ended: Vec<bool>,
}

impl Graph {
    /// A graph over pictures. Inputs are `[in0]`, `[in1]`, … and the output is `[out]`; the text has to end in a
    /// `format` filter, because libav else chooses a pixel format that no encoder was asked about.
    pub fn video(spec: &str, inputs: &[VideoFormat]) -> Result<Self> {
        require_last(spec, "format=")?;
        let ports = inputs.iter().cloned().map(Port::Video).collect();
        Self::build(spec, ports, "buffer", "buffersink")
    }

    /// A graph over sound; the text has to end in an `aformat` filter.
    pub fn audio(spec: &str, inputs: &[AudioFormat]) -> Result<Self> {
        require_last(spec, "aformat=")?;
        let ports = inputs.iter().cloned().map(Port::Audio).collect();
        Self::build(spec, ports, "abuffer", "abuffersink")
    }

    fn build(spec: &str, ports: Vec<Port>, source: &str, sink: &str) -> Result<Self> {
        crate::log::clear();
        let fail = |e: av::Error| Error::graph(spec, e);
        let find = |name: &str| filter::find(name).ok_or(Error::Missing { what: format!("filter {name}") });
        let mut inner = filter::Graph::new();
        let mut sources = Vec::new();
        for (index, port) in ports.into_iter().enumerate() {
            let arguments = match &port {
                Port::Video(format) => format.arguments(),
                Port::Audio(format) => format.arguments(),
            };
            let name = format!("in{index}");
            inner.add(&find(source)?, &name, &arguments).map_err(fail)?;
            sources.push((name, port));
        }
        inner.add(&find(sink)?, "out", "").map_err(fail)?;
        // What is an output of a source is an input of the text, and the other way round.
        let mut parser = filter::graph::Parser::new(&mut inner);
        for (name, _) in &sources {
            parser = parser.output(name, 0).map_err(fail)?;
        }
        parser.input("out", 0).and_then(|p| p.parse(spec)).map_err(fail)?;
        inner.validate().map_err(fail)?;
        let ended = vec![false; sources.len()];
        Ok(Self { inner, spec: spec.to_owned(), sources, ended })
    }

    /// Gives a picture to an input. The graph becomes its owner, so that filters may write into it.
    #[expect(clippy::needless_pass_by_value, reason = "a frame given to a graph is gone")]
    pub fn send_video(&mut self, input: usize, frame: frame::Video) -> Result<()> {
        if let Some((_, Port::Video(format))) = self.sources.get(input) {
            format.check("the filter graph", &frame)?;
        }
        self.send(input, &frame)
    }

    /// Gives sound to an input, for good like a picture.
    #[expect(clippy::needless_pass_by_value, reason = "sound given to a graph is gone")]
    pub fn send_audio(&mut self, input: usize, frame: frame::Audio) -> Result<()> {
        if let Some((_, Port::Audio(format))) = self.sources.get(input) {
            format.check("the filter graph", &frame)?;
        }
        self.send(input, &frame)
    }

    /// libav takes the frame's content away and leaves it empty, whatever its `&` says; hence the owned frames
    /// above.
    fn send(&mut self, input: usize, frame: &av::Frame) -> Result<()> {
        let name = format!("in{input}");
        let mut context = self.inner.get(&name).ok_or_else(|| Error::graph(&self.spec, "no such input"))?;
        context.source().add(frame).map_err(|e| Error::graph(&self.spec, e))
    }

    /// Says that nothing more comes on an input.
    pub fn end(&mut self, input: usize) -> Result<()> {
        self.ended[input] = true;
        let name = format!("in{input}");
        let mut context = self.inner.get(&name).ok_or_else(|| Error::graph(&self.spec, "no such input"))?;
        context.source().flush().map_err(|e| Error::graph(&self.spec, e))
    }

    /// The same, where it may have been said before.
    pub fn end_once(&mut self, input: usize) -> Result<()> {
        if self.ended[input] { Ok(()) } else { self.end(input) }
    }

    /// The same for pictures, with the time at which the last one ends: without it `fps` drops that one.
    pub fn end_at(&mut self, input: usize, pts: i64) -> Result<()> {
        self.ended[input] = true;
        let name = format!("in{input}");
        let mut context = self.inner.get(&name).ok_or_else(|| Error::graph(&self.spec, "no such input"))?;
        context.source().close(pts).map_err(|e| Error::graph(&self.spec, e))
    }

    /// Asks for the next picture or piece of sound.
    pub fn pull(&mut self, frame: &mut av::Frame) -> Result<Pull> {
        let mut sink = self.inner.get("out").ok_or_else(|| Error::graph(&self.spec, "no output"))?;
        match sink.sink().frame(frame) {
            Ok(()) => Ok(Pull::Frame),
            Err(av::Error::Eof) => Ok(Pull::End),
            Err(av::Error::Other { errno: av::error::EAGAIN }) => self.hungriest(),
            Err(e) => Err(Error::graph(&self.spec, e)),
        }
    }

    /// A picture for a picture, through a graph that only changes its format; `place` is who needs that.
    pub(crate) fn through(&mut self, place: &str, frame: frame::Video) -> Result<frame::Video> {
        self.send_video(0, frame)?;
        let mut converted = frame::Video::empty();
        match self.pull(&mut converted)? {
            Pull::Frame => Ok(converted),
            _ => Err(Error::mismatch(place, "a frame for a frame", "none")),
        }
    }

    /// The open input whose frames were asked for most often in vain.
    fn hungriest(&mut self) -> Result<Pull> {
        let mut best = None;
        for index in 0..self.sources.len() {
            if self.ended[index] {
                continue;
            }
            let Some(mut context) = self.inner.get(&self.sources[index].0) else { continue };
            let failed = context.source().failed_requests();
            if best.is_none_or(|(_, most)| failed > most) {
                best = Some((index, failed));
            }
        }
        best.map(|(index, _)| Pull::Feed(index))
            .ok_or_else(|| Error::graph(&self.spec, "it waits for input although all of it was given"))
    }

    /// The unit of times of frames that come out.
    pub fn output_time_base(&mut self) -> Result<av::Rational> {
        let mut sink = self.inner.get("out").ok_or_else(|| Error::graph(&self.spec, "no output"))?;
        Ok(sink.sink().time_base())
    }
}

fn require_last(spec: &str, wanted: &str) -> Result<()> {
    let chain = spec.strip_suffix("[out]").unwrap_or(spec);
    let last = chain.rsplit([',', ';', ']']).next().unwrap_or(chain);
    if last.starts_with(wanted) {
        Ok(())
    } else {
        Err(Error::graph(spec, format!("its text does not end in `{wanted}…`")))
    }
}

/// Makes a text safe as the value of a filter's option: once for the option, once for the graph.
#[must_use]
pub fn escape(value: &str) -> String {
    let mut option = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if matches!(c, '\\' | '\'' | ':') {
            option.push('\\');
        }
        option.push(c);
    }
    let mut graph = String::with_capacity(option.len() + 8);
    for c in option.chars() {
        if matches!(c, '\\' | '\'' | '[' | ']' | ',' | ';') {
            graph.push('\\');
        }
        graph.push(c);
    }
    graph
}
