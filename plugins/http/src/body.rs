//! What a request carries: nothing, bytes, a part of a file, or a form. Files are read while they are sent.

use reelmill_sdk::prelude::*;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The body of a request.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes {
        /// Their media type.
        media_type: String,
        /// What is sent.
        bytes: Vec<u8>,
    },
    /// A part of a file.
    File {
        /// Its media type.
        media_type: String,
        /// The file.
        path: PathBuf,
        /// The first byte that is sent.
        from: u64,
        /// How many bytes are sent.
        length: u64,
    },
    /// `multipart/form-data`.
    Form(Form),
}

impl Body {
    /// A whole file.
    pub fn file(path: &Path, media_type: impl Into<String>) -> Result<Self, StageError> {
        let length = path.metadata().context(format!("look at {}", path.display()))?.len();
        Ok(Self::File { media_type: media_type.into(), path: path.to_owned(), from: 0, length })
    }

    /// Opens it for sending.
    pub(crate) fn open(self) -> io::Result<Opened> {
        Ok(match self {
            Self::Empty => Opened::default(),
            Self::Bytes { media_type, bytes } => Opened {
                media_type: Some(media_type),
                length: bytes.len() as u64,
                reader: Box::new(Cursor::new(bytes)),
            },
            Self::File { media_type, path, from, length } => {
                let reader = Box::new(part(&path, from, length)?);
                Opened { media_type: Some(media_type), length, reader }
            }
            Self::Form(form) => form.open()?,
        })
    }
}

fn part(path: &Path, from: u64, length: u64) -> io::Result<impl Read + Send + use<>> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() < from.saturating_add(length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the file is shorter than what is to be sent",
        ));
    }
    file.seek(SeekFrom::Start(from))?;
    Ok(file.take(length))
}

/// A body that can be sent.
pub(crate) struct Opened {
    pub media_type: Option<String>,
    pub length: u64,
    pub reader: Box<dyn Read + Send>,
}

impl Default for Opened {
    fn default() -> Self {
        Self { media_type: None, length: 0, reader: Box::new(io::empty()) }
    }
}

/// A form with texts and files, sent as `multipart/form-data` (RFC 7578).
#[derive(Clone, Debug, Default)]
pub struct Form {
    parts: Vec<(String, Source)>,
}

#[derive(Clone, Debug)]
enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Form {
    /// Without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        let head = format!("Content-Disposition: form-data; name=\"{}\"\r\n\r\n", quoted(name));
        self.parts.push((head, Source::Bytes(value.into().into_bytes())));
        self
    }

    /// Adds bytes as a file.
    #[must_use]
    pub fn bytes(mut self, name: &str, file_name: &str, media_type: &str, bytes: Vec<u8>) -> Self {
        self.parts.push((file_head(name, file_name, media_type), Source::Bytes(bytes)));
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, name: &str, file_name: &str, media_type: &str, path: &Path) -> Self {
        self.parts.push((file_head(name, file_name, media_type), Source::File(path.to_owned())));
        self
    }

    fn open(self) -> io::Result<Opened> {
        let boundary = self.boundary();
        let mut length = 0;
        let mut reader: Box<dyn Read + Send> = Box::new(io::empty());
        for (head, source) in self.parts {
            let head = format!("--{boundary}\r\n{head}");
            let (size, content): (u64, Box<dyn Read + Send>) = match source {
                Source::Bytes(bytes) => (bytes.len() as u64, Box::new(Cursor::new(bytes))),
                Source::File(path) => {
                    let size = path.metadata()?.len();
                    (size, Box::new(part(&path, 0, size)?))
                }
            };
            length += head.len() as u64 + size + 2;
            reader = Box::new(reader.chain(Cursor::new(head)).chain(content).chain(Cursor::new("\r\n")));
        }
        let end = format!("--{boundary}--\r\n");
        length += end.len() as u64;
        Ok(Opened {
            media_type: Some(format!("multipart/form-data; boundary={boundary}")),
            length,
            reader: Box::new(reader.chain(Cursor::new(end))),
        })
    }

    /// Drawn from the form, so that the same form is the same request: a digest does not occur in what it is of.
    fn boundary(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (head, source) in &self.parts {
            hasher.update(head.as_bytes());
            match source {
                Source::Bytes(bytes) => hasher.update(bytes),
                Source::File(path) => hasher.update(path.as_os_str().as_encoded_bytes()),
            };
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

fn file_head(name: &str, file_name: &str, media_type: &str) -> String {
    format!(
        "Content-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
        quoted(name),
        quoted(file_name),
        media_type.replace(['\r', '\n'], " ")
    )
}

/// A name within quotes, escaped as browsers do it.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Body) -> (Option<String>, u64, String) {
        let mut opened = body.open().unwrap();
        let mut text = String::new();
        opened.reader.read_to_string(&mut text).unwrap();
        (opened.media_type, opened.length, text)
    }

    #[test]
    fn a_part_of_a_file_is_sent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        let of = |from, length| Body::File {
            media_type: "x/y".into(),
            path: file.path().to_owned(),
            from,
            length,
        };
        assert_eq!(read(of(3, 4)), (Some("x/y".into()), 4, "3456".into()));
        assert!(of(8, 3).open().is_err(), "a file that became shorter is no body");
        assert_eq!(read(Body::file(file.path(), "x/y").unwrap()).2, "0123456789");
    }

    #[test]
    fn a_form_has_the_length_that_it_says_and_stays_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "in a file").unwrap();
        let form = Form::new()
            .text("a \"b\"", "1\r\n2")
            .bytes("c", "c\n.bin", "x/y", b"bytes".to_vec())
            .file("d", "d.txt", "text/plain", file.path());
        let (kind, length, text) = read(Body::Form(form.clone()));
        assert_eq!(length, text.len() as u64);
        let boundary = kind.unwrap().strip_prefix("multipart/form-data; boundary=").unwrap().to_owned();
        assert_eq!(text.matches(&format!("--{boundary}\r\n")).count(), 3);
        assert!(text.ends_with(&format!("\r\nin a file\r\n--{boundary}--\r\n")), "{text}");
        assert!(text.contains("name=\"a %22b%22\"\r\n\r\n1\r\n2\r\n"), "{text}");
        assert!(text.contains("filename=\"c%0A.bin\"\r\nContent-Type: x/y\r\n\r\nbytes\r\n"), "{text}");
        assert_eq!(text, read(Body::Form(form)).2);
    }
}
