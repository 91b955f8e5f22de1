//! A crate under this workspace's lints (unsafe code denied) can export a plugin with the macro alone.

use reelmill_sdk::prelude::*;

#[derive(Deserialize, Serialize, JsonSchema)]
struct Text {
    text: String,
}

struct Same;

impl Stage for Same {
    const ID: &'static str = "same";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Puts its input out";
    type Input = Text;
    type Output = Text;

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Text, _: &Cx<'_>) -> Result<Text, StageError> {
        Ok(input)
    }
}

export_plugin! { name: "exported", version: "1.0.0", license: "MIT", description: "One stage", stages: [Same] }

#[test]
fn the_exported_stage_runs() {
    let output = reelmill_sdk::testing::run::<Same>(json!({ "text": "x" }), std::path::Path::new("/tmp"));
    assert_eq!(output.unwrap(), json!({ "text": "x" }));
}
