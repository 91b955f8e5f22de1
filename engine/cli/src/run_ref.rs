//! How a run is named on the command line: by its id, or as `last`.

use crate::exit::CliError;
use crate::listing::list;
use reelmill_model::RunId;
use reelmill_ports::{RunFilter, RunStore};
use std::str::FromStr;

/// A run as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunRef {
    /// That run.
    Id(RunId),
    /// The run that was submitted last.
    Last,
}

impl FromStr for RunRef {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Self::Last),
            id => id.parse().map(Self::Id).map_err(|_| {
                format!("{id:?} is neither `last` nor a run id (26 letters and digits, as `reelmill status` prints them)")
            }),
        }
    }
}

impl RunRef {
    /// The run's id.
    pub async fn resolve(self, store: &dyn RunStore) -> Result<RunId, CliError> {
        match self {
            Self::Id(id) => Ok(id),
            Self::Last => {
                let newest = list(store, RunFilter { limit: 1, ..RunFilter::default() }).await?;
                newest.runs.first().map(|run| run.new.id).ok_or_else(|| {
                    CliError::Usage("there are no runs yet; `reelmill run FILE` starts one".to_owned())
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_an_id_or_the_last_one() {
        let id = RunId::from_parts(1_700_000_000_000, 7);
        assert_eq!(id.to_string().parse(), Ok(RunRef::Id(id)));
        assert_eq!("last".parse(), Ok(RunRef::Last));
        let problem = "latest".parse::<RunRef>().expect_err("it is neither");
        assert!(problem.contains("`last`"), "{problem}");
    }
}
