//! Where the texts come from of pipelines that pipelines name: files, and registered ones, which are looked up before a
//! pipeline is compiled and kept with it, revision and all.

use crate::{Control, ControlError, PipelineRef};
use reelmill_graph::compile::registered_names;
use reelmill_model::pipeline::{Pinned, bare_name};
use reelmill_model::{Revision, RevisionText};
use reelmill_spec::files::{NotRegistered, RegisteredText};
use reelmill_spec::{FileText, Files};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The registered pipelines that a pipeline names, looked up.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// Those that there are, by the names as they are written.
    pub found: BTreeMap<String, Pinned>,
    /// Why there are no others.
    missing: BTreeMap<String, NotRegistered>,
    /// The name under which the pipeline itself is put.
    own: Option<String>,
}

impl Control {
    /// Looks up the registered pipelines that a pipeline names ([`names`]), for somebody of a namespace. `own` is the name
    /// that it is put under itself.
    pub async fn pins(
        &self,
        namespace: &str,
        own: Option<String>,
        names: Vec<String>,
    ) -> Result<Pins, ControlError> {
        let mut pins = Pins { own, ..Pins::default() };
        for name in names {
            let Ok(wanted) = name.parse::<PipelineRef>() else {
                pins.missing.insert(name, no_name());
                continue;
            };
            match self.registered(namespace, &wanted).await {
                Ok(Revision { head, text }) => {
                    pins.found.insert(name, Pinned { revision: head.revision, text });
                }
                Err(ControlError::NoSuchPipeline { help, .. }) => {
                    let why = format!("there is none in namespace `{namespace}`");
                    let help = format!("{help}; a file is named with its ending, or as `./FILE`");
                    pins.missing.insert(name, NotRegistered { why, help });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(pins)
    }
}

/// The registered pipelines that a text and its files name.
#[must_use]
pub fn names(text: &str, files: &dyn Files) -> Vec<String> {
    registered_names(text, files).into_iter().collect()
}

fn no_name() -> NotRegistered {
    NotRegistered {
        why: "that is no name".to_owned(),
        help: "write NAME for its newest revision, NAME@3 for one of them, or `./FILE` for a file".to_owned(),
    }
}

impl Pins {
    /// The name under which the pipeline itself is put.
    #[must_use]
    pub fn own(&self) -> Option<&str> {
        self.own.as_deref()
    }

    /// A registered pipeline, as `Files::registered`.
    pub fn registered(&self, within: &[String], name: &str) -> Result<RegisteredText, NotRegistered> {
        if let (true, Some(missing)) = (within.is_empty(), self.missing.get(name)) {
            return Err(missing.clone());
        }
        registered(&self.found, within, name)
    }

    /// A file of a registered pipeline, as `Files::open_within`.
    pub fn open_within(&self, within: &[String], path: &str) -> Result<FileText, String> {
        open_within(&self.found, within, path)
    }
}

/// What is pinned where some registered pipelines stand one within another.
fn pinned_in<'p>(
    found: &'p BTreeMap<String, Pinned>,
    within: &[String],
) -> Option<&'p BTreeMap<String, Pinned>> {
    let Some((first, rest)) = within.split_first() else { return Some(found) };
    found.get(first)?.text.within(rest).map(|text| &text.registered)
}

fn registered(
    found: &BTreeMap<String, Pinned>,
    within: &[String],
    name: &str,
) -> Result<RegisteredText, NotRegistered> {
    let pinned =
        pinned_in(found, within).and_then(|pinned| pinned.get(name)).ok_or_else(|| NotRegistered {
            why: "it was not looked up when this pipeline was registered".to_owned(),
            help: "put that pipeline again with `reelmill pipelines put`".to_owned(),
        })?;
    Ok(RegisteredText {
        pinned: format!("{}@{}", bare_name(name), pinned.revision),
        text: pinned.text.main.clone(),
        file: pinned.text.file.clone(),
        folder: pinned.text.folder.clone(),
    })
}

fn open_within(found: &BTreeMap<String, Pinned>, within: &[String], path: &str) -> Result<FileText, String> {
    let missing = "it is no part of the registered pipeline";
    let (name, around) = within.split_last().ok_or(missing)?;
    let pinned = pinned_in(found, around).and_then(|pinned| pinned.get(name)).ok_or(missing)?;
    let text = pinned.text.others.get(path).ok_or(missing)?;
    Ok(FileText { name: format!("{}@{}: {path}", bare_name(name), pinned.revision), text: text.clone() })
}

/// The files of a revision, which lie in it.
pub struct Kept<'r>(pub &'r Revision);

impl Files for Kept<'_> {
    fn main(&self) -> Option<&str> {
        self.0.text.file.as_deref()
    }

    fn open(&self, path: &str) -> Result<FileText, String> {
        let Revision { head, text } = self.0;
        let name = format!("{}@{}: {path}", head.id.name, head.revision);
        let found = text.others.get(path).ok_or("it is no part of the registered pipeline")?;
        Ok(FileText { name, text: found.clone() })
    }

    fn registered_as(&self) -> Option<&str> {
        Some(&self.0.head.id.name)
    }

    fn registered(&self, within: &[String], name: &str) -> Result<RegisteredText, NotRegistered> {
        registered(&self.0.text.registered, within, name)
    }

    fn open_within(&self, within: &[String], path: &str) -> Result<FileText, String> {
        open_within(&self.0.text.registered, within, path)
    }
}

/// Files as they are, and what was read of them: what has to be kept with a pipeline.
pub struct Recorded<'f> {
    files: &'f dyn Files,
    seen: RefCell<BTreeMap<String, String>>,
}

impl<'f> Recorded<'f> {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(files: &'f dyn Files) -> Self {
        Self { files, seen: RefCell::default() }
    }

    /// The texts that were read, by path.
    #[must_use]
    pub fn seen(self) -> BTreeMap<String, String> {
        self.seen.into_inner()
    }
}

impl Files for Recorded<'_> {
    fn main(&self) -> Option<&str> {
        self.files.main()
    }

    fn open(&self, path: &str) -> Result<FileText, String> {
        let file = self.files.open(path)?;
        self.seen.borrow_mut().insert(path.to_owned(), file.text.clone());
        Ok(file)
    }

    fn registered_as(&self) -> Option<&str> {
        self.files.registered_as()
    }

    fn registered(&self, within: &[String], name: &str) -> Result<RegisteredText, NotRegistered> {
        self.files.registered(within, name)
    }

    fn open_within(&self, within: &[String], path: &str) -> Result<FileText, String> {
        self.files.open_within(within, path)
    }
}

/// The registered pipelines of a text, each with the revision it stands for, those within them too: `news → news@3`.
#[must_use]
pub fn pinned(text: &RevisionText) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for (name, one) in &text.registered {
        all.insert(name.clone(), one.revision);
        all.extend(pinned(&one.text).into_iter().map(|(inner, no)| (format!("{name}/{inner}"), no)));
    }
    all
}
