//! Paths of tasks: names and item keys from the outside in, `scene[s3].clip`.

/// Whether a task is the named one, one of the named stage, or inside it.
#[must_use]
pub fn belongs(path: &str, named: &str) -> bool {
    let inside = |path: &str| {
        path.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    inside(path) || inside(&without_keys(path))
}

/// `scene[s3].clip` as the stage it is a task of: `scene.clip`.
fn without_keys(path: &str) -> String {
    let mut depth = 0_u32;
    path.chars()
        .filter(|character| match character {
            '[' => {
                depth += 1;
                false
            }
            ']' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_names_its_tasks_and_what_is_inside() {
        for (path, named) in [
            ("scene[s3].clip", "scene"),
            ("scene[s3].clip", "scene.clip"),
            ("scene[s3].clip", "scene[s3]"),
            ("scene[s3].clip", "scene[s3].clip"),
            ("encode[9:16]", "encode"),
        ] {
            assert!(belongs(path, named), "{path} belongs to {named}");
        }
        for (path, named) in
            [("scene[s3].clip", "scen"), ("scene[s3].clip", "scene[s4]"), ("scene2", "scene")]
        {
            assert!(!belongs(path, named), "{path} does not belong to {named}");
        }
    }
}
