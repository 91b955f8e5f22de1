//! The runs of a partition in their order; `lua/index.lua` says how they lie.

use crate::error::Trouble;
use crate::keys::{Keys, run_bytes, run_id};
use crate::pack::Packer;
use crate::scripts::Scripts;
use crate::wire::Wire;
use reelmill_model::RunId;

/// Which end of a listing comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest run.
    NewestFirst,
    /// The oldest run.
    OldestFirst,
}

/// Up to `limit` runs, of all or of one batch, behind one, or from the end that comes first.
pub fn list(
    wire: &mut Wire,
    keys: &Keys,
    batch: Option<&str>,
    order: Order,
    behind: Option<RunId>,
    limit: usize,
) -> Result<Vec<RunId>, Trouble> {
    let mut packer = Packer::default();
    packer.list(5).number(0);
    match behind {
        Some(run) => packer.bytes(run_bytes(run)),
        None => packer.bytes(b""),
    };
    packer.number((order == Order::NewestFirst).into()).number(limit as u64).bytes(batch.unwrap_or_default());
    let ids: Vec<Vec<u8>> = wire.run(&Scripts::shared().list, keys, &packer.done())?;
    Ok(ids.iter().map(|id| run_id(id)).collect::<Result<_, _>>()?)
}
