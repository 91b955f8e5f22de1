//! `schemas/edl.schema.json` is what the code says. `REELMILL_WRITE_SCHEMAS=1 cargo test -p
//! reelmill-plugin-video --test schema` writes it again.

use reelmill_plugin_video::Timeline;
use reelmill_sdk::schemars::schema_for;
use reelmill_sdk::serde_json;

#[test]
fn the_schema_of_edit_lists_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/edl.schema.json");
    let generated = serde_json::to_string_pretty(&schema_for!(Timeline)).unwrap() + "\n";
    if std::env::var_os("REELMILL_WRITE_SCHEMAS").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let shipped = std::fs::read_to_string(path).unwrap_or_default();
    assert!(shipped == generated, "schemas/edl.schema.json is old; see the top of this test");
}
