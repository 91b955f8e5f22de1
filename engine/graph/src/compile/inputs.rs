//! What a stage gives to another pipeline, against the inputs of that one; as far as it is written out. The rest
//! is checked when the stage is reached.

use super::session::Session;
use reelmill_spec::inputs::check_literal;
use reelmill_spec::suggest;
use reelmill_spec::template::{TemplateKind, Templates};
use reelmill_spec::{Code, Diagnostic, Spanned};

impl Session<'_> {
    /// Reports inputs that the pipeline does not have, lacks, or cannot take, and secrets that are not declared.
    pub(super) fn check_inputs(&mut self, site: usize, area: usize, with: &Spanned<Templates>) {
        let units = self.units;
        let (outer, inner) = (&units[self.layout.sites[site].unit].spec, self.layout.areas[area].unit);
        let inner = &units[inner].spec;
        let name = &inner.name;
        for (given, value) in &with.value {
            let Some(def) = inner.inputs.get(given) else {
                let names = inner.inputs.keys().map(String::as_str);
                let help = suggest::or_list(given, names, "it has no inputs");
                let message = format!("pipeline `{name}` has no input `{given}`");
                self.problems.push(Diagnostic::error(Code::BadWith, value.span, message).maybe_help(help));
                continue;
            };
            let TemplateKind::Literal(literal) = &value.value.kind else { continue };
            for (message, help) in check_literal(def, literal) {
                let message = format!("`{given}` {message}");
                let problem = Diagnostic::error(Code::BadWith, value.value.span, message);
                self.problems.push(problem.maybe_help(help));
            }
        }
        for (missing, _) in
            inner.inputs.iter().filter(|(name, def)| def.required && !with.value.contains_key(*name))
        {
            let message = format!("pipeline `{name}` needs the input `{missing}`");
            let help = format!("add `with: {{ {missing}: … }}`, or give it a default there");
            self.error(Code::BadWith, with.span, message, help);
        }
        let declared = |name: &str| outer.secrets.iter().any(|secret| secret.value == name);
        for secret in inner.secrets.iter().filter(|secret| !declared(&secret.value)) {
            let message =
                format!("pipeline `{name}` uses secret `{}`, which is not declared here", secret.value);
            let help = format!("add `{}` to this pipeline's `secrets`", secret.value);
            self.error(Code::UnknownSecret, with.span, message, help);
        }
    }
}
