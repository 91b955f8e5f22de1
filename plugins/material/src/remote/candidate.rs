//! What a service offers: one clip or picture with its files, and which of them to take.

use super::licence::Licence;
use crate::types::{Credit, Kind, Orientation};

/// A clip or picture that a service found. Nothing of it has been downloaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// `pexels:857251`: the same for the same thing, whichever query found it.
    pub name: String,
    /// Clip or picture.
    pub kind: Kind,
    /// Width of the original, in pixels; 0 when it is not said.
    pub width: u32,
    /// Height of the original, in pixels; 0 when it is not said.
    pub height: u32,
    /// Length of a clip, in milliseconds; 0 when it is not said.
    pub duration_ms: u64,
    /// Words it can be found by: title, tags, the words of its address.
    pub words: String,
    /// Its files, in any order; at least one.
    pub files: Vec<Variant>,
    /// Its licence.
    pub licence: Licence,
    /// Who is to be named, and where it is from.
    pub author: Option<String>,
    /// The author's page.
    pub author_url: Option<String>,
    /// Its own page.
    pub page: Option<String>,
    /// What it is called.
    pub title: Option<String>,
    /// The sentence that names author, title and licence, where the service writes one.
    pub attribution: Option<String>,
}

/// One file of a candidate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variant {
    /// Where it is.
    pub url: String,
    /// Width in pixels; 0 when it is not said.
    pub width: u32,
    /// Height in pixels; 0 when it is not said.
    pub height: u32,
    /// Bytes, when the service says so.
    pub bytes: Option<u64>,
}

impl Variant {
    /// The shorter side in pixels; 0 when the size is not said.
    fn side(&self) -> u32 {
        self.width.min(self.height)
    }
}

/// What a file has to be, as far as a service says it beforehand.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Bounds {
    /// Pixels of the shorter side at least.
    pub min_side: u32,
    /// Length of a clip at least, in milliseconds.
    pub min_ms: u64,
    /// Length of a clip at most, in milliseconds; 0 for any.
    pub max_ms: u64,
    /// Pixels of the shorter side that are enough: a larger file costs time and shows nothing.
    pub enough_side: u32,
    /// Bytes of a file at most.
    pub max_bytes: u64,
}

impl Bounds {
    /// Whether something of this size and length may be used; what is not known is not held against it.
    pub const fn admit(&self, kind: Kind, width: u32, height: u32, duration_ms: u64) -> bool {
        let side = if width < height { width } else { height };
        let is_long_enough = matches!(kind, Kind::Picture)
            || duration_ms == 0
            || duration_ms >= self.min_ms && (self.max_ms == 0 || duration_ms <= self.max_ms);
        (side == 0 || side >= self.min_side) && is_long_enough
    }
}

impl Candidate {
    /// The file to take: the smallest that is large enough, or else the largest there is.
    pub fn best_file(&self, bounds: &Bounds) -> Option<&Variant> {
        let fits = |file: &&Variant| {
            file.bytes.is_none_or(|bytes| bytes <= bounds.max_bytes)
                && (file.side() == 0 || file.side() >= bounds.min_side)
        };
        let enough = self
            .files
            .iter()
            .filter(fits)
            .filter(|file| file.side() >= bounds.enough_side)
            .min_by_key(|f| f.side());
        enough.or_else(|| self.files.iter().filter(fits).max_by_key(|file| file.side()))
    }

    /// Whether it may be used at all.
    pub fn is_admitted(&self, bounds: &Bounds) -> bool {
        bounds.admit(self.kind, self.width, self.height, self.duration_ms) && self.best_file(bounds).is_some()
    }

    /// Whether somebody named it by its address, and no service by its words.
    pub fn is_named(&self) -> bool {
        self.name.contains("://")
    }

    /// Whether its shape is the preferred one; what is not known may be.
    pub const fn fits(&self, orientation: Orientation) -> bool {
        self.width == 0 || self.height == 0 || orientation.is_of(self.width, self.height)
    }

    /// Who is to be named.
    pub fn credit(&self) -> Credit {
        let attribution = self.attribution.clone().or_else(|| {
            let author = self.author.as_deref()?;
            let what =
                self.title.as_deref().map_or_else(String::new, |title| format!("\u{201c}{title}\u{201d} "));
            let service = self.name.split(':').next().unwrap_or_default();
            Some(format!("{what}by {author} ({service}, {})", self.licence.name))
        });
        Credit {
            file: self.name.clone(),
            title: self.title.clone(),
            author: self.author.clone(),
            author_url: self.author_url.clone(),
            licence: Some(self.licence.name.clone()).filter(|name| !name.is_empty()),
            licence_url: self.licence.url.clone(),
            source: self.page.clone(),
            attribution,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A clip of a service with files of these sides.
    pub fn clip(name: &str, sides: &[u32]) -> Candidate {
        let files = sides.iter().map(|side| Variant {
            url: format!("https://x/{side}"),
            width: side * 16 / 9,
            height: *side,
            bytes: Some(u64::from(*side) * 1000),
        });
        Candidate {
            name: name.into(),
            kind: Kind::Clip,
            width: 3840,
            height: 2160,
            duration_ms: 8_000,
            words: String::new(),
            files: files.collect(),
            licence: Licence::named("CC BY 4.0", None),
            author: Some("A. B.".into()),
            author_url: None,
            page: None,
            title: None,
            attribution: None,
        }
    }

    const BOUNDS: Bounds =
        Bounds { min_side: 480, min_ms: 3_000, max_ms: 0, enough_side: 1080, max_bytes: 2_000_000 };

    #[test]
    fn the_smallest_file_that_is_enough_is_taken() {
        let side = |sides: &[u32]| clip("x:1", sides).best_file(&BOUNDS).map(|file| file.height);
        assert_eq!(side(&[360, 2160, 1080, 1440]), Some(1080));
        assert_eq!(side(&[360, 540, 720]), Some(720), "none is enough, so the largest");
        assert_eq!(side(&[360]), None, "too small to be shown");
        assert_eq!(side(&[720, 2160]), Some(720), "2160 has too many bytes");
    }

    #[test]
    fn length_counts_for_clips_and_only_when_it_is_known() {
        for (ms, admitted) in [(8_000, true), (2_000, false), (0, true)] {
            let clip = Candidate { duration_ms: ms, ..clip("x:1", &[1080]) };
            assert_eq!(clip.is_admitted(&BOUNDS), admitted, "{ms}");
        }
        assert!(BOUNDS.admit(Kind::Picture, 600, 800, 0) && !BOUNDS.admit(Kind::Picture, 600, 400, 0));
        let short = Bounds { max_ms: 5_000, ..BOUNDS };
        assert!(!clip("x:1", &[1080]).is_admitted(&short));
    }

    #[test]
    fn a_credit_names_author_service_and_licence() {
        let candidate = Candidate { title: Some("Sea".into()), ..clip("openverse:1", &[1080]) };
        assert_eq!(
            candidate.credit().attribution.as_deref(),
            Some("\u{201c}Sea\u{201d} by A. B. (openverse, CC BY 4.0)")
        );
    }
}
