//! The table of routes: what can be asked for, by whom, and with what. Requests are looked up in it, and the `OpenAPI`
//! document is made from it, so that neither knows more than the other.

use crate::keys::Role;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Health,
    Ready,
    Metrics,
    OpenApi,
    WhoAmI,
    SignIn,
    SignOut,
    PipelineSchema,
    ListPipelines,
    ShowPipeline,
    PutPipeline,
    RemovePipeline,
    Validate,
    ListRuns,
    Submit,
    ShowRun,
    DeleteRun,
    Cancel,
    Pause,
    Resume,
    Retry,
    Approve,
    Why,
    Tasks,
    Events,
    Logs,
    Outputs,
    Artifact,
    ListFiles,
    PutFile,
    RemoveFile,
    Plugins,
    Queues,
    PauseQueue,
    ResumeQueue,
    Workers,
}

/// What a request brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// JSON of this name among the schemas; it may be left out where nothing has to be said.
    Json(&'static str),
    /// A pipeline's text.
    Yaml,
    /// A file.
    File,
}

/// What the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Nothing.
    Nothing,
    /// JSON.
    Json,
    /// Text.
    Text,
    /// Events, one after another.
    Events,
    /// A file.
    File,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method; `HEAD` is answered where `GET` is.
    pub method: &'static str,
    /// The path; `{name}` stands for one part of it, and may be followed by `:verb`.
    pub path: &'static str,
    /// What it asks for.
    pub op: Op,
    /// Who may; none: everybody.
    pub role: Option<Role>,
    /// In a few words.
    pub summary: &'static str,
    /// Parameters of the query, each with what it is.
    pub query: &'static [(&'static str, &'static str)],
    /// What is brought along.
    pub takes: Takes,
    /// The status when it is done.
    pub status: u16,
    /// What the answer is.
    pub gives: Gives,
    /// Other answers than those that every route may give, each with what it means.
    pub problems: &'static [(u16, &'static str)],
}

const fn route(
    method: &'static str,
    path: &'static str,
    op: Op,
    role: Option<Role>,
    summary: &'static str,
) -> Route {
    let (query, takes, status, gives, problems) = (&[], Takes::Nothing, 200, Gives::Json, &[]);
    Route { method, path, op, role, summary, query, takes, status, gives, problems }
}

impl Route {
    const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }
    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }
    const fn gives(self, status: u16, gives: Gives) -> Self {
        Self { status, gives, ..self }
    }
    const fn problems(self, problems: &'static [(u16, &'static str)]) -> Self {
        Self { problems, ..self }
    }
}

const VIEWER: Option<Role> = Some(Role::Viewer);
const SUBMITTER: Option<Role> = Some(Role::Submitter);
const OPERATOR: Option<Role> = Some(Role::Operator);
const ADMIN: Option<Role> = Some(Role::Admin);

/// An answer to what names a run that is not there.
const NO_RUN: (u16, &str) = (404, "There is no such run");
const NO_PIPELINE: (u16, &str) = (404, "There is no such pipeline");
const NOT_NOW: (u16, &str) = (409, "The run is in a state in which that cannot be done");
const INVALID: (u16, &str) = (422, "Something in it is wrong; `errors` says what, where, and what to do");
const TOO_LARGE: (u16, &str) = (413, "It is larger than is allowed");
const WRONG_TYPE: (u16, &str) = (415, "Its media type is none of those that are taken");

/// Everything that can be asked for.
pub const ROUTES: &[Route] = &[
    route("GET", "/healthz", Op::Health, None, "Whether the process lives").gives(200, Gives::Text),
    route("GET", "/readyz", Op::Ready, None, "Whether the store answers").gives(200, Gives::Text),
    route("GET", "/metrics", Op::Metrics, VIEWER, "Figures, as Prometheus reads them")
        .gives(200, Gives::Text),
    route("GET", "/openapi.json", Op::OpenApi, None, "This document"),
    route(
        "GET",
        "/api/v1/session",
        Op::WhoAmI,
        VIEWER,
        "Who asks, what that one may do, and this server's limits",
    ),
    route("POST", "/api/v1/session", Op::SignIn, None, "Keep a key in a cookie, for browsers")
        .takes(Takes::Json("SignIn"))
        .problems(&[(401, "That is no key of this server")]),
    route("DELETE", "/api/v1/session", Op::SignOut, None, "Forget the cookie").gives(204, Gives::Nothing),
    route(
        "GET",
        "/api/v1/schemas/pipeline.json",
        Op::PipelineSchema,
        None,
        "JSON Schema of pipelines, for editors",
    ),
    route(
        "GET",
        "/api/v1/pipelines",
        Op::ListPipelines,
        VIEWER,
        "Pipelines: files of the folder, and registered ones",
    )
    .query(&[("namespace", "Registered pipelines of this namespace only")]),
    route(
        "POST",
        "/api/v1/pipelines:validate",
        Op::Validate,
        VIEWER,
        "Everything that is wrong with a pipeline",
    )
    .takes(Takes::Yaml)
    .problems(&[TOO_LARGE, WRONG_TYPE]),
    route(
        "GET",
        "/api/v1/pipelines/{pipeline}",
        Op::ShowPipeline,
        VIEWER,
        "A pipeline: inputs, stages, text",
    )
    .problems(&[NO_PIPELINE]),
    route(
        "PUT",
        "/api/v1/pipelines/{pipeline}",
        Op::PutPipeline,
        ADMIN,
        "Register a pipeline; the same again is the same",
    )
    .query(&[
        ("namespace", "Whose it is; `default` unless given"),
        ("revision", "Only over this revision; 0: only if there is none"),
    ])
    .takes(Takes::Yaml)
    .problems(&[(412, "Another revision is there"), INVALID, TOO_LARGE, WRONG_TYPE]),
    route(
        "DELETE",
        "/api/v1/pipelines/{pipeline}",
        Op::RemovePipeline,
        ADMIN,
        "Forget a registered pipeline",
    )
    .query(&[("namespace", "Whose it is; `default` unless given")])
    .gives(204, Gives::Nothing)
    .problems(&[NO_PIPELINE]),
    route("GET", "/api/v1/runs", Op::ListRuns, VIEWER, "Runs, newest first").query(&[
        ("state", "Only in this state: running, succeeded, failed, cancelled; several with commas"),
        ("name", "Only of this name"),
        ("batch", "Only of this batch"),
        ("cursor", "`next` of the page before"),
        ("limit", "At most so many, up to 200; 50 unless given"),
    ]),
    route(
        "POST",
        "/api/v1/runs",
        Op::Submit,
        SUBMITTER,
        "Start a run; with a header `Idempotency-Key` at most one under that key",
    )
    .takes(Takes::Json("Submit"))
    .gives(201, Gives::Json)
    .problems(&[
        (200, "The run was there already"),
        NO_PIPELINE,
        (409, "No worker can do it, or `unique` lets no other one in"),
        TOO_LARGE,
        WRONG_TYPE,
        INVALID,
    ]),
    route("POST", "/api/v1/runs/{run}:cancel", Op::Cancel, OPERATOR, "Stop a run; its `finally` still runs")
        .takes(Takes::Json("Reason"))
        .problems(&[NO_RUN]),
    route("POST", "/api/v1/runs/{run}:pause", Op::Pause, OPERATOR, "Begin nothing more of a run")
        .takes(Takes::Json("Reason"))
        .problems(&[NO_RUN, NOT_NOW]),
    route("POST", "/api/v1/runs/{run}:resume", Op::Resume, OPERATOR, "Let a paused run go on")
        .problems(&[NO_RUN, NOT_NOW]),
    route("POST", "/api/v1/runs/{run}:retry", Op::Retry, OPERATOR, "Send an ended run around again")
        .takes(Takes::Json("Retry"))
        .problems(&[NO_RUN, NOT_NOW]),
    route(
        "POST",
        "/api/v1/runs/{run}:approve",
        Op::Approve,
        OPERATOR,
        "Answer a stage that waits for a person",
    )
    .takes(Takes::Json("Approve"))
    .problems(&[NO_RUN, NOT_NOW, INVALID]),
    route(
        "GET",
        "/api/v1/runs/{run}",
        Op::ShowRun,
        VIEWER,
        "A run in figures, what is at work, and what it asks",
    )
    .problems(&[NO_RUN]),
    route("DELETE", "/api/v1/runs/{run}", Op::DeleteRun, OPERATOR, "Delete an ended run")
        .gives(204, Gives::Nothing)
        .problems(&[NO_RUN, NOT_NOW]),
    route("GET", "/api/v1/runs/{run}/why", Op::Why, VIEWER, "Why a run, or a stage of it, is as it is")
        .query(&[("stage", "A stage (`scene.clip`) or a task (`scene[s3].clip`)")])
        .problems(&[NO_RUN]),
    route(
        "GET",
        "/api/v1/runs/{run}/tasks",
        Op::Tasks,
        VIEWER,
        "Tasks of a run, in the order of their numbers",
    )
    .query(&[
        ("state", "Only in this state; several with commas"),
        ("cursor", "`next` of the page before"),
        ("limit", "At most so many, up to 200; 50 unless given"),
    ])
    .problems(&[NO_RUN]),
    route(
        "GET",
        "/api/v1/runs/{run}/events",
        Op::Events,
        VIEWER,
        "What happens, as it happens, until the run has ended",
    )
    .query(&[
        ("after", "Only after this event; `Last-Event-ID` stands over it"),
        ("logs", "`true`: also lines of logs"),
    ])
    .gives(200, Gives::Events)
    .problems(&[NO_RUN, (503, "Too many are listening")]),
    route("GET", "/api/v1/runs/{run}/logs", Op::Logs, VIEWER, "What stages said, in order")
        .query(&[
            ("stage", "Only of this stage (inner ones included) or task"),
            ("at_least", "Leave out what matters less: debug, info, warn, error"),
            ("cursor", "`next` of the page before"),
            ("limit", "Look at so many lines, up to 200; 200 unless given"),
        ])
        .problems(&[NO_RUN]),
    route("GET", "/api/v1/runs/{run}/outputs", Op::Outputs, VIEWER, "What it put out, and the files in it")
        .problems(&[NO_RUN]),
    route("GET", "/api/v1/artifacts/{digest}", Op::Artifact, VIEWER, "A file, or a part of it (`Range`)")
        .query(&[
            ("name", "Its name, whose ending says what it is"),
            ("download", "`true`: to be saved and not shown"),
        ])
        .gives(200, Gives::File)
        .problems(&[
            (206, "The part that was asked for"),
            (304, "It is what `If-None-Match` says"),
            (404, "There is no such file"),
            (416, "It has no such part"),
        ]),
    route(
        "GET",
        "/api/v1/files",
        Op::ListFiles,
        VIEWER,
        "Uploaded files of all shelves: music, material, files",
    ),
    route(
        "PUT",
        "/api/v1/files/{shelf}/{name}",
        Op::PutFile,
        SUBMITTER,
        "Upload a file; `artifact` in the answer is what a `file` input takes",
    )
    .takes(Takes::File)
    .gives(201, Gives::Json)
    .problems(&[(404, "There is no such shelf"), TOO_LARGE, WRONG_TYPE, (503, "Too many are uploading")]),
    route(
        "DELETE",
        "/api/v1/files/{shelf}/{name}",
        Op::RemoveFile,
        OPERATOR,
        "Delete an uploaded file; runs that have it keep it",
    )
    .gives(204, Gives::Nothing)
    .problems(&[(404, "There is no such file")]),
    route("GET", "/api/v1/plugins", Op::Plugins, VIEWER, "Plugins and their stages"),
    route("GET", "/api/v1/queues", Op::Queues, VIEWER, "Queues: what is ready, slots, backlog"),
    route("POST", "/api/v1/queues/{queue}:pause", Op::PauseQueue, OPERATOR, "Begin nothing more of a queue"),
    route("POST", "/api/v1/queues/{queue}:resume", Op::ResumeQueue, OPERATOR, "Let a queue go on"),
    route("GET", "/api/v1/workers", Op::Workers, VIEWER, "Workers that were heard lately"),
];

/// What a request was found to be.
#[derive(Debug)]
pub enum Found {
    /// That, with the parts of its path that stand for something, still encoded.
    Route(&'static Route, Vec<String>),
    /// The path is there, for other methods: these.
    Methods(Vec<&'static str>),
    /// There is no such path.
    Nothing,
}

/// Looks a request up.
pub fn find(method: &str, path: &str) -> Found {
    let wanted = if method == "HEAD" { "GET" } else { method };
    let mut methods = Vec::new();
    for route in ROUTES {
        if let Some(parts) = parts(route.path, path) {
            if route.method == wanted {
                return Found::Route(route, parts);
            }
            methods.push(route.method);
        }
    }
    if methods.is_empty() { Found::Nothing } else { Found::Methods(methods) }
}

/// What the variable parts of a pattern are in a path, if it fits.
fn parts(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    let mut found = Vec::new();
    for (pattern, part) in pattern.into_iter().zip(path) {
        match pattern.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            None if pattern == part => {}
            None => return None,
            Some((_, verb)) => {
                found.push(part.strip_suffix(verb).filter(|part| !part.is_empty())?.to_owned());
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(method: &str, path: &str) -> Option<(Op, Vec<String>)> {
        match find(method, path) {
            Found::Route(route, parts) => Some((route.op, parts)),
            _ => None,
        }
    }

    #[test]
    fn verbs_and_parts_are_told_apart() {
        let run = |op, part: &str| Some((op, vec![part.to_owned()]));
        assert_eq!(op("GET", "/api/v1/runs"), Some((Op::ListRuns, vec![])));
        assert_eq!(op("GET", "/api/v1/runs/01J"), run(Op::ShowRun, "01J"));
        assert_eq!(op("HEAD", "/api/v1/runs/01J"), run(Op::ShowRun, "01J"));
        assert_eq!(op("POST", "/api/v1/runs/01J:cancel"), run(Op::Cancel, "01J"));
        assert_eq!(op("GET", "/api/v1/artifacts/blake3:00"), run(Op::Artifact, "blake3:00"));
        assert_eq!(op("POST", "/api/v1/pipelines:validate"), Some((Op::Validate, vec![])));
        let file = Some((Op::PutFile, vec!["music".to_owned(), "a%20b.mp3".to_owned()]));
        assert_eq!(op("PUT", "/api/v1/files/music/a%20b.mp3"), file);
        for path in ["/api/v1/runs/", "/api/v1/runs/a/b/c", "/api/v1", "/api/v1/runs/:cancel"] {
            assert_eq!(op("POST", path), None, "{path}");
        }
    }

    #[test]
    fn other_methods_of_a_path_are_named() {
        let Found::Methods(methods) = find("PATCH", "/api/v1/runs/01J") else { panic!("the path is there") };
        assert_eq!(methods, ["GET", "DELETE"]);
        assert!(matches!(find("GET", "/api/v2/runs"), Found::Nothing));
    }

    #[test]
    fn no_two_routes_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for route in ROUTES {
            assert!(seen.insert((route.method, route.path)), "{} {}", route.method, route.path);
            let op = format!("{:?}", route.op);
            assert_eq!(ROUTES.iter().filter(|other| format!("{:?}", other.op) == op).count(), 1, "{op}");
        }
    }
}
