//! The kinds of problems a pipeline file can have, each with a stable number and an explanation.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal, $title:literal;)+) => {
        /// A kind of problem. Its number never changes and is never used for another.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code { $($(#[doc = $doc])+ $variant),+ }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name: `RM-0101`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }

            /// A few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// One paragraph: what it means and what to do.
            #[must_use]
            pub fn explain(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

codes! {
    /// The text is not YAML at this place, so the rest of the file could not be read. Look at indentation,
    /// quotes and brackets in this line and the one above it.
    Syntax = "RM-0101", "not YAML";
    /// A key stands twice in the same map. YAML readers would silently keep one of them; here it is an error,
    /// because the other one is lost work. Remove or rename one.
    DuplicateKey = "RM-0102", "duplicate key";
    /// The language has no such key at this place. It may be misspelled or stand at the wrong level.
    UnknownKey = "RM-0103", "unknown key";
    /// A key that must be there is not.
    MissingKey = "RM-0104", "missing key";
    /// A value has another type than its key takes, for example a list where a map belongs.
    WrongType = "RM-0105", "wrong type";
    /// A value has the right type but is none of those allowed: out of range, an unknown word, or not a
    /// duration (`90s`, `1h30m`) or size (`500M`, `6Gi`).
    BadValue = "RM-0106", "bad value";
    /// An id does not match `[a-z][a-z0-9_]*` or is too long. A hyphen is a minus in expressions, therefore it
    /// is not allowed in names.
    BadId = "RM-0107", "bad id";
    /// The file goes over a limit on size, nesting, stages or expressions. The limits keep one file from
    /// stopping an engine that others use too.
    LimitExceeded = "RM-0108", "over a limit";
    /// A stage has exactly one of `uses`, `stages`, `pipeline` and `approval`: that is what it does.
    StageKind = "RM-0109", "not exactly one kind of stage";
    /// Two keys exclude each other, or a key has no meaning for this kind of stage or this type of input.
    Conflict = "RM-0110", "keys that do not go together";
    /// The key belongs to the language, but this version does not execute it. It is refused rather than
    /// ignored, because ignoring it would run something other than what is written.
    NotAvailable = "RM-0111", "not available yet";
    /// A `${{` has no `}}`, or there is no expression between them.
    BadTemplate = "RM-0112", "broken `${{ }}`";
    /// `if` is one expression and must give a bool. Text around `${{ }}` would make it a string, which is
    /// always true in other tools and an error here.
    MixedCondition = "RM-0113", "text around an expression";
    /// The limits of an input contradict each other, or a pattern is no regular expression.
    BadInput = "RM-0114", "impossible input";
    /// The default of an input is not a value that the input takes.
    BadDefault = "RM-0115", "bad default";
    /// A part of YAML that the language does not use: tags, merge keys, several documents, expressions in keys.
    Unsupported = "RM-0116", "unsupported YAML";
    /// No plugin with this name is in the catalog.
    UnknownPlugin = "RM-0201", "unknown plugin";
    /// The plugin has no stage with this name.
    UnknownPluginStage = "RM-0202", "unknown stage of a plugin";
    /// The plugin's stage exists, but not with this first number of its version.
    UnknownMajor = "RM-0203", "version not installed";
    /// `needs` or an expression names a stage that does not exist.
    UnknownStage = "RM-0204", "unknown stage";
    /// The stage exists but cannot be read from here: it stands inside a group or fan-out, it is the stage
    /// around this one, or it belongs to another part of the pipeline. Read what its group puts out instead.
    NotVisible = "RM-0205", "stage out of reach";
    /// Stages wait for each other in a circle, so none of them could ever start.
    Cycle = "RM-0206", "stages wait for each other";
    /// The expression is not valid CEL.
    BadExpression = "RM-0207", "broken expression";
    /// The expression cannot have the type that is needed at this place.
    ExpressionType = "RM-0208", "expression of the wrong type";
    /// The expression reads a name that is no context, or one that has no value at this place: `item` outside
    /// of a `for_each`, `matrix` outside of a matrix, `failure` outside of `on_failure`.
    UnknownContext = "RM-0209", "unknown name in an expression";
    /// The expression reads an input or variable that the pipeline does not have.
    UnknownInput = "RM-0210", "unknown input or variable";
    /// The expression reads an output that the stage does not put out.
    UnknownOutput = "RM-0211", "unknown output";
    /// A `with` value is not what the plugin's stage takes.
    BadWith = "RM-0212", "`with` does not fit the stage";
    /// A secret is used other than as a whole `with` value. Anywhere else it could end up in a log, a key or a
    /// stored document.
    SecretMisuse = "RM-0213", "misplaced secret";
    /// A secret is used that the pipeline does not list in `secrets`.
    UnknownSecret = "RM-0214", "undeclared secret";
    /// A matrix has no combination, too many of them, or two with the same key.
    BadMatrix = "RM-0215", "impossible matrix";
    /// The expression reads an input that a run need not give and that has no default. A run without it would
    /// fail here. Read it as `inputs.?name.orValue(…)`, ask with `has(inputs.name)`, or give it a default.
    MaybeMissing = "RM-0216", "input that may be missing";
    /// The pipeline that a stage names cannot be used: its file cannot be read, it has errors of its own, or it
    /// names, directly or not, the pipeline that it is part of.
    BadPipeline = "RM-0217", "unusable pipeline";
    /// What starts runs of a pipeline, or keeps them apart (`triggers`, `unique`, `concurrency`), is about its runs. Within
    /// another pipeline it has no runs of its own, so these keys do nothing there.
    IgnoredWithin = "RM-0218", "without effect within another pipeline";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_ascend_and_all_are_explained() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].id() < pair[1].id()));
        assert!(Code::ALL.iter().all(|code| code.explain().len() > 30));
    }
}
