//! Registered pipelines: in keys of their own (`rm:{registry}:…`), so that one script writes what belongs together.
//!
//! `names` (a sorted set of members: namespace, a space, name), `heads` (newest head by member), `of:<member>` and
//! `text:<member>` (head and text by revision), `version` (how often any of it changed).

use crate::error::Trouble;
use crate::keys::Keys;
use crate::pack::Packer;
use crate::store::RedisStore;
use crate::wire::Wire;
use async_trait::async_trait;
use redis::{Script, cmd};
use reelmill_lifecycle::Damage;
use reelmill_lifecycle::registry::{Put, put};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{PipelineName, Revision, RevisionHead, RevisionText};
use reelmill_ports::{PipelineFilter, Registered, Registry, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// How often a decision is made again because somebody else was faster.
const TRIES_MAX: u32 = 20;

fn keys() -> Keys {
    Keys::with_tag("registry")
}

/// A space sorts before every character of a namespace: members are in the order of namespaces, then names.
fn member(id: &PipelineName) -> String {
    format!("{} {}", id.namespace, id.name)
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Trouble> {
    let read = serde_json::from_slice(text);
    read.map_err(|error| Damage(format!("a registered pipeline is none: {error}")).into())
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(value).map_err(|error| Damage(error.to_string()).into())
}

/// The newest head, as it lies there.
fn newest(wire: &mut Wire, member: &str) -> Result<Option<Vec<u8>>, Trouble> {
    wire.query(cmd("HGET").arg(keys().named("heads")).arg(member))
}

/// A revision whose head is known.
fn with_text(wire: &mut Wire, member: &str, head: &[u8]) -> Result<Option<Revision>, Trouble> {
    let head: RevisionHead = read(head)?;
    let texts = keys().named(&format!("text:{member}"));
    let text: Option<Vec<u8>> = wire.query(cmd("HGET").arg(texts).arg(head.revision))?;
    // It may have been dropped since its head was read.
    text.map(|text| Ok(Revision { head, text: read::<RevisionText>(&text)? })).transpose()
}

fn revision(wire: &mut Wire, id: &PipelineName, no: Option<u32>) -> Result<Option<Revision>, Trouble> {
    let member = member(id);
    let head = match no {
        None => newest(wire, &member)?,
        Some(no) => wire.query(cmd("HGET").arg(keys().named(&format!("of:{member}"))).arg(no))?,
    };
    head.map_or(Ok(None), |head| with_text(wire, &member, &head))
}

/// What the script is to write over what was seen; nothing of it where it is removed.
struct Written<'a> {
    member: &'a str,
    seen: Option<Vec<u8>>,
    revision: Option<&'a Revision>,
    dropped: u32,
}

impl Written<'_> {
    /// Whether it was written: not where somebody else was faster.
    fn apply(&self, wire: &mut Wire) -> Result<bool, Trouble> {
        let mut packer = Packer::default();
        packer.list(6).bytes(self.member).bytes(self.seen.as_deref().unwrap_or_default());
        match self.revision {
            None => packer.bytes("").number(0).bytes(""),
            Some(Revision { head, text }) => {
                packer.bytes(write(head)?).number(u64::from(head.revision)).bytes(write(text)?)
            }
        };
        packer.number(u64::from(self.dropped));
        wire.run(&Script::new(include_str!("lua/registry.lua")), &keys(), &packer.done())
    }
}

fn changes_too_fast(id: &PipelineName) -> Trouble {
    let message = format!("`{id}` changes faster than it can be read");
    Trouble::Refused(StoreError::Unavailable { message, source: None })
}

fn put_pipeline(wire: &mut Wire, new: &Revision, expected: Option<u32>) -> Result<Registered, Trouble> {
    let member = member(&new.head.id);
    for _ in 0..TRIES_MAX {
        let seen = newest(wire, &member)?;
        let before = match &seen {
            None => None,
            Some(head) => match with_text(wire, &member, head)? {
                None => continue,
                known => known,
            },
        };
        let count: usize = wire.query(cmd("ZCARD").arg(keys().named("names")))?;
        let decided = put(before.as_ref(), new.clone(), expected, count);
        let (revision, dropped, new) = match decided.map_err(|refused| Trouble::Refused(refused.into()))? {
            Put::Same(same) => return Ok(Registered { head: same.head, new: false }),
            Put::Renewed(same) => (same, 0, false),
            Put::New(new, dropped) => (new, dropped, true),
        };
        if (Written { member: &member, seen, revision: Some(&revision), dropped }).apply(wire)? {
            return Ok(Registered { head: revision.head, new });
        }
    }
    Err(changes_too_fast(&new.head.id))
}

fn remove(wire: &mut Wire, id: &PipelineName) -> Result<bool, Trouble> {
    let member = member(id);
    for _ in 0..TRIES_MAX {
        let seen = newest(wire, &member)?;
        if seen.is_none() {
            return Ok(false);
        }
        if (Written { member: &member, seen, revision: None, dropped: 0 }).apply(wire)? {
            return Ok(true);
        }
    }
    Err(changes_too_fast(id))
}

fn pipelines(wire: &mut Wire, filter: &PipelineFilter) -> Result<Vec<RevisionHead>, Trouble> {
    let limit = if filter.limit == 0 { PAGE_ROWS_MAX } else { filter.limit.min(PAGE_ROWS_MAX) };
    let namespace = filter.namespace.as_deref();
    let from = match (&filter.after, namespace) {
        (Some(after), _) => format!("({}", member(after)),
        (None, Some(namespace)) => format!("[{namespace} "),
        (None, None) => "-".to_owned(),
    };
    // `!` is the character after the space.
    let to = namespace.map_or_else(|| "+".to_owned(), |namespace| format!("({namespace}!"));
    let mut range = cmd("ZRANGEBYLEX");
    range.arg(keys().named("names")).arg(from).arg(to).arg("LIMIT").arg(0).arg(limit);
    let members: Vec<String> = wire.query(&range)?;
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let heads: Vec<Option<Vec<u8>>> = wire.query(cmd("HMGET").arg(keys().named("heads")).arg(members))?;
    heads.into_iter().flatten().map(|head| read(&head)).collect()
}

fn revisions(wire: &mut Wire, id: &PipelineName) -> Result<Vec<RevisionHead>, Trouble> {
    let heads: HashMap<u32, Vec<u8>> =
        wire.query(cmd("HGETALL").arg(keys().named(&format!("of:{}", member(id)))))?;
    let mut heads: Vec<RevisionHead> = heads.values().map(|head| read(head)).collect::<Result<_, _>>()?;
    heads.sort_by_key(|head| std::cmp::Reverse(head.revision));
    Ok(heads)
}

#[async_trait]
impl Registry for RedisStore {
    async fn put_pipeline(&self, new: Revision, expected: Option<u32>) -> Result<Registered, StoreError> {
        self.readers.read(move |wire| put_pipeline(wire, &new, expected)).await
    }

    async fn pipeline(&self, id: &PipelineName, no: Option<u32>) -> Result<Option<Revision>, StoreError> {
        let id = id.clone();
        self.readers.read(move |wire| revision(wire, &id, no)).await
    }

    async fn pipelines(&self, filter: PipelineFilter) -> Result<Vec<RevisionHead>, StoreError> {
        self.readers.read(move |wire| pipelines(wire, &filter)).await
    }

    async fn revisions(&self, id: &PipelineName) -> Result<Vec<RevisionHead>, StoreError> {
        let id = id.clone();
        self.readers.read(move |wire| revisions(wire, &id)).await
    }

    async fn remove_pipeline(&self, id: &PipelineName) -> Result<bool, StoreError> {
        let id = id.clone();
        self.readers.read(move |wire| remove(wire, &id)).await
    }

    async fn registry_version(&self) -> Result<u64, StoreError> {
        let version = |wire: &mut Wire| -> Result<Option<u64>, Trouble> {
            wire.query(cmd("GET").arg(keys().named("version")))
        };
        Ok(self.readers.read(version).await?.unwrap_or(0))
    }
}
