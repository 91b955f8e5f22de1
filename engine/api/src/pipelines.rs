//! Pipelines: which there are, what each takes and does, what is wrong with one, and registering them.

use crate::answer::{self, json, ok};
use crate::asked::{Answered, Asked};
use crate::problem::Problem;
use crate::site::Site;
use crate::source::{self, Source, Text};
use hyper::StatusCode;
use reelmill_control::registry::{About, is_namespace};
use reelmill_control::schedule::SystemTimer;
use reelmill_control::texts::Recorded;
use reelmill_control::{Pipeline, PipelineRef, prepare};
use reelmill_graph::NodeKind;
use reelmill_model::{PipelineName, RevisionText};
use reelmill_ports::Clock as _;
use reelmill_spec::Severity;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Which there are.
pub async fn list(asked: Asked) -> Answered {
    let files = source::files(&asked.site.pipelines);
    let files =
        files.into_iter().map(|(name, about)| json!({ "name": name, "origin": "file", "about": about }));
    let heads = asked.site.control.all_pipelines(namespace(&asked)?).await?;
    let registered = heads.into_iter().map(|head| {
        let name = match head.id.namespace.as_str() {
            "default" => head.id.name.clone(),
            _ => head.id.to_string(),
        };
        json!({
            "name": name,
            "origin": "registered",
            "about": format!("revision {}, put by {}", head.revision, head.by),
            "revision": head.revision,
            "triggers": head.triggers,
        })
    });
    Ok(ok(&json!({ "pipelines": registered.chain(files).collect::<Vec<_>>() })))
}

/// The namespace that is asked for.
fn namespace(asked: &Asked) -> Result<Option<&str>, Problem> {
    let given = asked.param("namespace");
    match given.filter(|name| !is_namespace(name)) {
        Some(name) => Err(Problem::bad("bad_query", format!("{name:?} is no namespace"))),
        None => Ok(given),
    }
}

/// One of them. What is wrong with it is told, and not an error: whoever looks wants to see.
pub async fn show(asked: Asked) -> Answered {
    let name = &asked.parts[0];
    let found = Source::find(&asked.site, "default", name).await?;
    let (pipeline, diagnostics) = found.look(&asked.site);
    Ok(ok(&json!({
        "name": name,
        "origin": if found.head().is_some() { "registered" } else { "file" },
        "revision": found.head().map(|head| head.revision),
        "about": source::about(found.text()),
        "ok": pipeline.is_some(),
        "diagnostics": diagnostics,
        "inputs": pipeline.as_ref().map(inputs),
        "stages": pipeline.as_ref().map(stages),
        "secrets": pipeline.as_ref().map(|pipeline| pipeline.graph.secrets.clone()),
        "text": found.text(),
    })))
}

/// What a run of it takes, in order.
fn inputs(pipeline: &Pipeline) -> Vec<Value> {
    let input = |(name, def): (&String, &reelmill_spec::InputDef)| {
        let mut shown = match serde_json::to_value(def) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        shown.insert("name".to_owned(), Value::from(name.as_str()));
        Value::Object(shown)
    };
    pipeline.graph.inputs.iter().map(input).collect()
}

fn stages(pipeline: &Pipeline) -> Vec<Value> {
    let stage = |node: &reelmill_graph::Node| {
        let (kind, uses) = match &node.kind {
            NodeKind::Work { plugin, .. } => ("work", Some(format!("{}.{}", plugin.plugin, plugin.stage))),
            NodeKind::Approval(_) => ("approval", None),
            NodeKind::Body { .. } => ("body", None),
        };
        json!({ "path": node.path, "kind": kind, "uses": uses })
    };
    pipeline.graph.nodes.iter().map(stage).collect()
}

/// Everything that is wrong with a text.
pub async fn validate(mut asked: Asked) -> Answered {
    let text = asked.yaml().await?;
    let text = Text::inline(&asked.site, "default", text, None).await?;
    let (pipeline, diagnostics) = Source::Text(text).look(&asked.site);
    Ok(ok(&json!({
        "ok": pipeline.is_some(),
        "diagnostics": diagnostics,
        "inputs": pipeline.as_ref().map(inputs),
        "stages": pipeline.as_ref().map(stages),
    })))
}

/// The registered pipeline that the path names.
fn id(asked: &Asked) -> Result<PipelineName, Problem> {
    let namespace = namespace(asked)?.unwrap_or("default");
    let wanted: Result<PipelineRef, String> = asked.parts[0].parse();
    match wanted {
        Ok(wanted) if wanted.revision.is_none() => Ok(wanted.id(namespace)),
        Ok(_) => Err(Problem::bad("bad_path", "name the pipeline without a revision")),
        Err(help) => Err(Problem::bad("bad_path", help)),
    }
}

/// Registers one.
pub async fn put(mut asked: Asked) -> Answered {
    let id = id(&asked)?;
    let expected = asked.number("revision")?.map(u32::try_from).transpose();
    let expected = expected.map_err(|_| Problem::bad("bad_query", "`revision` is too large"))?;
    let main = asked.yaml().await?;
    let site = &asked.site;
    let text = Text::inline(site, &id.namespace, main.clone(), Some(id.name.clone())).await?;
    let (pipeline, others) = compile(site, &text)?;
    let revision = RevisionText {
        main,
        file: None,
        others,
        registered: text.pins().found.clone(),
        folder: text.folder().to_string_lossy().into_owned(),
    };
    let by = asked.caller.name.clone();
    let about = About { id, labels: BTreeMap::new(), by, at_ms: SystemTimer.now_ms() };
    let put = site.control.put_pipeline(&pipeline, revision, about, expected).await?;
    let warnings: Vec<_> = pipeline.warnings.iter().filter(|one| one.severity == Severity::Warning).collect();
    let status = if put.new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &json!({ "pipeline": put.head, "new": put.new, "diagnostics": warnings })))
}

/// Compiles a text; gives the texts of the files that it names, which are kept with it.
fn compile(site: &Site, text: &Text) -> Result<(Pipeline, BTreeMap<String, String>), Problem> {
    let recorded = Recorded::new(text);
    let compiled = prepare(&text.content, &site.catalog, &recorded);
    let pipeline = compiled.map_err(|invalid| Problem::diagnostics(&invalid.0))?;
    Ok((pipeline, recorded.seen()))
}

/// Forgets one.
pub async fn remove(asked: Asked) -> Answered {
    let id = id(&asked)?;
    if asked.site.control.remove_pipeline(&id).await? {
        return Ok(answer::nothing());
    }
    Err(Problem::missing("no_such_pipeline", format!("no pipeline `{id}` is registered")))
}
