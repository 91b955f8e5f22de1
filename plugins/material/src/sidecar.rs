//! What stands beside a file about it: `wave.json`, `wave.txt`, `wave.mp4.json` or `wave.mp4.txt` beside `wave.mp4`.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Bytes of a sidecar file that are read; a longer one is not one.
const BYTES_MAX: u64 = 64 * 1024;

/// What a sidecar file says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sidecar {
    /// Words the file is to be found by.
    pub keywords: Vec<String>,
    /// What is on it, in prose.
    pub description: String,
    /// Who made it.
    pub author: Option<String>,
    /// The licence.
    pub licence: Option<String>,
    /// Where it is from.
    pub source: Option<String>,
}

#[derive(Deserialize)]
struct Json {
    #[serde(default)]
    keywords: Words,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    author: Option<String>,
    #[serde(alias = "license")]
    licence: Option<String>,
    #[serde(alias = "url")]
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Reads the sidecar file of a file: its content, nothing when there is none, or why it cannot be read.
pub fn read(file: &Path) -> Result<Option<Sidecar>, String> {
    let Some(path) = candidates(file).into_iter().find(|path| path.is_file()) else { return Ok(None) };
    let said = |why: String| format!("{}: {why}", path.display());
    let bytes = path.metadata().map_err(|error| said(error.to_string()))?.len();
    if bytes > BYTES_MAX {
        return Err(said(format!("a sidecar file has at most {BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| said(error.to_string()))?;
    if path.extension().is_some_and(|extension| extension == "json") {
        parse_json(&text).map(Some).map_err(said)
    } else {
        Ok(Some(parse_text(&text)))
    }
}

fn candidates(file: &Path) -> Vec<PathBuf> {
    let with_both = |extension: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    vec![file.with_extension("json"), with_both(".json"), file.with_extension("txt"), with_both(".txt")]
}

fn parse_json(text: &str) -> Result<Sidecar, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let keywords = match json.keywords {
        Words::Text(text) => split_list(&text),
        Words::List(list) => list,
    };
    let description = format!("{} {}", json.title, json.description).trim().to_owned();
    Ok(Sidecar { keywords, description, author: json.author, licence: json.licence, source: json.source })
}

/// Lines `keywords: a, b`, `author: …`, `licence: …`, `source: …`; all other lines describe.
fn parse_text(text: &str) -> Sidecar {
    let mut sidecar = Sidecar::default();
    for line in text.lines() {
        let (key, value) = line.split_once(':').map_or(("", ""), |(key, value)| (key.trim(), value.trim()));
        match key.to_ascii_lowercase().as_str() {
            "keywords" | "tags" => sidecar.keywords.extend(split_list(value)),
            "author" | "by" => sidecar.author = Some(value.to_owned()),
            "licence" | "license" => sidecar.licence = Some(value.to_owned()),
            "source" | "url" => sidecar.source = Some(value.to_owned()),
            _ => {
                sidecar.description.push_str(line.trim());
                sidecar.description.push(' ');
            }
        }
    }
    sidecar.description = sidecar.description.trim().to_owned();
    sidecar
}

fn split_list(text: &str) -> Vec<String> {
    text.split([',', ';']).map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let expected = Sidecar {
            keywords: vec!["sea".into(), "storm".into()],
            description: "Waves at night".into(),
            author: Some("A. B.".into()),
            licence: Some("CC0".into()),
            source: Some("http://x/y".into()),
        };
        let json = r#"{"keywords":"sea, storm","description":"Waves at night","author":"A. B.","license":"CC0","url":"http://x/y","other":1}"#;
        assert_eq!(parse_json(json).unwrap(), expected);
        let text = "Keywords: sea; storm\nWaves at\nnight\nby: A. B.\nlicence: CC0\nurl: http://x/y";
        assert_eq!(parse_text(text), expected);
    }

    #[test]
    fn a_broken_sidecar_is_named_and_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.mp4");
        assert_eq!(read(&file), Ok(None));
        std::fs::write(folder.path().join("a.mp4.json"), "{").unwrap();
        assert!(read(&file).unwrap_err().contains("a.mp4.json"));
        std::fs::write(folder.path().join("a.json"), "{}").unwrap();
        assert_eq!(read(&file), Ok(Some(Sidecar::default())));
    }
}
