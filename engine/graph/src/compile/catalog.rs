//! The known plugins, as far as compiling needs them.

use reelmill_model::manifest::{Located, StageManifest};
use reelmill_spec::spec::Uses;
use reelmill_spec::suggest;
use reelmill_spec::values::ValueChecker;
use reelmill_spec::{Code, Diagnostic, Spanned};
use std::sync::OnceLock;

/// The known plugins. Schemas are made ready at their first use and shared by all compilations.
#[derive(Debug, Default)]
pub struct Catalog {
    plugins: Vec<Located>,
    // Invariant: one entry for each stage of each plugin, in order.
    checkers: Vec<Vec<OnceLock<Option<ValueChecker>>>>,
}

/// A plugin's stage that `uses` found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'c> {
    /// The plugin.
    pub plugin: &'c Located,
    /// Its stage.
    pub stage: &'c StageManifest,
    /// Checks `with`; none when the plugin's schema is broken.
    pub checker: Option<&'c ValueChecker>,
}

impl Catalog {
    /// A catalog of plugins.
    #[must_use]
    pub fn new(plugins: Vec<Located>) -> Self {
        let slots = |plugin: &Located| plugin.manifest.stages.iter().map(|_| OnceLock::new()).collect();
        let checkers = plugins.iter().map(slots).collect();
        Self { plugins, checkers }
    }

    /// The plugins.
    #[must_use]
    pub fn plugins(&self) -> &[Located] {
        &self.plugins
    }

    /// The stage that `uses` names; of several versions the newest.
    pub fn find(&self, uses: &Spanned<Uses>) -> Result<Found<'_>, Box<Diagnostic>> {
        let wanted = &uses.value;
        let named = self.stages().filter(|(_, _, found)| found.plugin.manifest.name == wanted.plugin);
        let of_id = named.clone().filter(|(_, _, found)| found.stage.id == wanted.stage);
        let fitting = of_id.clone().filter(|(_, _, found)| found.stage.major() == wanted.major);
        match fitting.max_by_key(|(_, _, found)| version(&found.stage.version)) {
            Some((plugin, stage, found)) => {
                let slot = &self.checkers[plugin][stage];
                let checker = slot.get_or_init(|| ValueChecker::new(&found.stage.input).ok()).as_ref();
                Ok(Found { checker, ..found })
            }
            None if of_id.clone().next().is_some() => {
                Err(Self::other_major(uses, of_id.map(|(_, _, f)| f.stage)))
            }
            None if named.clone().next().is_some() => {
                Err(Self::other_stage(uses, named.map(|(_, _, f)| f.stage)))
            }
            None => Err(self.other_plugin(uses)),
        }
    }

    fn stages(&self) -> impl Iterator<Item = (usize, usize, Found<'_>)> + Clone {
        self.plugins.iter().enumerate().flat_map(|(at, plugin)| {
            let stages = plugin.manifest.stages.iter().enumerate();
            stages.map(move |(index, stage)| (at, index, Found { plugin, stage, checker: None }))
        })
    }

    fn other_major<'c>(
        uses: &Spanned<Uses>,
        stages: impl Iterator<Item = &'c StageManifest>,
    ) -> Box<Diagnostic> {
        let wanted = &uses.value;
        let mut majors: Vec<u32> = stages.map(StageManifest::major).collect();
        majors.sort_unstable();
        majors.dedup();
        let known: Vec<String> =
            majors.iter().map(|m| format!("`{}.{}@{m}`", wanted.plugin, wanted.stage)).collect();
        let message =
            format!("`{}.{}` is not installed with version {}", wanted.plugin, wanted.stage, wanted.major);
        Diagnostic::error(Code::UnknownMajor, uses.span, message)
            .help(format!("installed: {}", known.join(", ")))
            .into()
    }

    fn other_stage<'c>(
        uses: &Spanned<Uses>,
        stages: impl Iterator<Item = &'c StageManifest> + Clone,
    ) -> Box<Diagnostic> {
        let wanted = &uses.value;
        let message = format!("plugin `{}` has no stage `{}`", wanted.plugin, wanted.stage);
        let help = suggest::or_list(&wanted.stage, stages.map(|stage| stage.id.as_str()), "it has no stages");
        Diagnostic::error(Code::UnknownPluginStage, uses.span, message).maybe_help(help).into()
    }

    fn other_plugin(&self, uses: &Spanned<Uses>) -> Box<Diagnostic> {
        let wanted = &uses.value;
        let message = format!("no plugin `{}` is installed", wanted.plugin);
        let nothing = "no plugins are installed; `reelmill plugins list` says where they are looked for";
        let names = self.plugins.iter().map(|plugin| plugin.manifest.name.as_str());
        let help = suggest::or_list(&wanted.plugin, names, nothing);
        Diagnostic::error(Code::UnknownPlugin, uses.span, message).maybe_help(help).into()
    }
}

/// A version as numbers, for the order of versions.
fn version(text: &str) -> Vec<u64> {
    text.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}
