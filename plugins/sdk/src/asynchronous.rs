//! Stages whose work is an async function. Each owns a runtime of one thread inside the plugin; nothing async
//! crosses the C ABI.

use crate::{Cx, Stage, StageError, StageTraits};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How often a waiting stage looks whether it should stop.
const CANCEL_PAUSE: Duration = Duration::from_millis(20);

/// A stage with async functions. Export it as `Async<MyStage>`.
pub trait AsyncStage: Sized + Send + 'static {
    /// See [`Stage::ID`].
    const ID: &'static str;
    /// See [`Stage::VERSION`].
    const VERSION: &'static str;
    /// See [`Stage::SUMMARY`].
    const SUMMARY: &'static str;
    /// See [`Stage::Input`].
    type Input: DeserializeOwned + JsonSchema;
    /// See [`Stage::Output`].
    type Output: Serialize + JsonSchema;

    /// See [`Stage::traits`].
    fn traits() -> StageTraits {
        StageTraits::default()
    }

    /// Prepares the stage, within its runtime.
    fn open() -> impl Future<Output = Result<Self, StageError>>;

    /// Does the work of one attempt. When the attempt is cancelled, the future is dropped where it waits.
    fn run(
        &mut self,
        input: Self::Input,
        cx: &Cx<'_>,
    ) -> impl Future<Output = Result<Self::Output, StageError>>;
}

/// A [`Stage`] made of an [`AsyncStage`].
pub struct Async<S> {
    stage: S,
    runtime: tokio::runtime::Runtime,
}

impl<S: AsyncStage> Stage for Async<S> {
    const ID: &'static str = S::ID;
    const VERSION: &'static str = S::VERSION;
    const SUMMARY: &'static str = S::SUMMARY;
    type Input = S::Input;
    type Output = S::Output;

    fn traits() -> StageTraits {
        S::traits()
    }

    fn open() -> Result<Self, StageError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stage = runtime.block_on(S::open())?;
        Ok(Self { stage, runtime })
    }

    fn run(&mut self, input: S::Input, cx: &Cx<'_>) -> Result<S::Output, StageError> {
        let Self { stage, runtime } = self;
        runtime.block_on(async {
            let cancelled = async {
                while !cx.cancelled() {
                    tokio::time::sleep(CANCEL_PAUSE).await;
                }
            };
            tokio::select! {
                result = stage.run(input, cx) => result,
                () = cancelled => Err(StageError::cancelled()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;
    use reelmill_model::FailureClass;

    struct Forever;

    impl AsyncStage for Forever {
        const ID: &'static str = "forever";
        const VERSION: &'static str = "1.0.0";
        const SUMMARY: &'static str = "Waits";
        type Input = serde_json::Value;
        type Output = serde_json::Value;

        async fn open() -> Result<Self, StageError> {
            Ok(Self)
        }

        async fn run(&mut self, input: Self::Input, _: &Cx<'_>) -> Result<Self::Output, StageError> {
            if input["wait"] == true {
                std::future::pending::<()>().await;
            }
            Ok(input)
        }
    }

    #[test]
    fn a_stage_that_waits_is_stopped_by_cancellation() {
        let scratch = std::env::temp_dir();
        let bench = Bench::new(&scratch).cancel_at_question(2);
        let error = bench.run::<Async<Forever>>(serde_json::json!({ "wait": true })).unwrap_err();
        assert_eq!(error.class(), FailureClass::Cancelled);
        let output =
            Bench::new(&scratch).run::<Async<Forever>>(serde_json::json!({ "wait": false })).unwrap();
        assert_eq!(output, serde_json::json!({ "wait": false }));
    }
}
