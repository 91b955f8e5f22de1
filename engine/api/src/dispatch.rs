//! The walk of one request: is it from one of ours, what does it ask for, who asks, and may they. Then it is answered.

use crate::answer::{self, Answer};
use crate::asked::{self, Answered, Asked};
use crate::coming::Coming;
use crate::keys::{Caller, Keys};
use crate::problem::Problem;
use crate::routes::{Found, Op, Route, find};
use crate::site::Site;
use crate::{act, artifacts, events, files, fleet, guard, logs, pipelines, runs, session, submit};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, StatusCode};
use std::sync::Arc;

/// What the page may do: load what this server has, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     media-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Answers a request.
pub async fn answer(site: Arc<Site>, request: Request<Incoming>) -> Answer {
    // Whoever calls a webhook says so by a signature, and is no browser.
    if let Some(hooks) = site.hooks.as_ref().filter(|_| request.uri().path().starts_with("/hooks/")) {
        return hooks.answer(request).await.map(|body| body.map_err(|never| match never {}).boxed_unsync());
    }
    let mut answer = route(site, request).await.unwrap_or_else(Problem::answer);
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let own = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), own);
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    answer
}

async fn route(site: Arc<Site>, request: Request<Incoming>) -> Answered {
    let (head, body) = request.into_parts();
    let body = Coming::new(body, &head.headers);
    let path = head.uri.path().to_owned();
    let page = page(&head.method, &path);
    let is_probe = path == "/healthz" || path == "/readyz";
    if !is_probe {
        check_origin(&site, &head.headers, page.is_some())?;
    }
    if let Some(page) = page {
        return Ok(page);
    }
    let (route, parts) = match find(head.method.as_str(), &path) {
        Found::Route(route, parts) => (route, parts),
        Found::Methods(methods) => {
            let methods = methods.join(", ");
            let detail = format!("{path} takes {methods}");
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", detail);
            return Err(problem
                .with(ALLOW, HeaderValue::from_str(&methods).unwrap_or(HeaderValue::from_static("GET"))));
        }
        Found::Nothing => {
            let detail = format!("there is nothing at {path}; /openapi.json says what is where");
            return Err(Problem::missing("no_such_path", detail));
        }
    };
    let caller = caller(&site.keys, route, &head.headers)?;
    let not_text = || Problem::bad("bad_path", "the path is not UTF-8 where it is decoded");
    let parts = parts.iter().map(|part| asked::decoded(part)).collect::<Option<_>>().ok_or_else(not_text)?;
    let query = asked::query(head.uri.query().unwrap_or_default()).ok_or_else(not_text)?;
    known_parameters(route, &query)?;
    let headers = head.headers;
    dispatch(route.op, Asked { site, caller, headers, parts, query, body }).await
}

/// Refuses what pages of other sites send.
fn check_origin(site: &Site, headers: &HeaderMap, linkable: bool) -> Result<(), Problem> {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let from = guard::From {
        host: header(HOST),
        origin: header(ORIGIN),
        site: header(HeaderName::from_static("sec-fetch-site")),
        linkable,
    };
    guard::check(from, &site.names).map_err(|stranger| match stranger {
        guard::Stranger::Host => {
            let detail = "this server has another name; `reelmill serve --host NAME` gives it one";
            Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", detail)
        }
        guard::Stranger::Origin => Problem::new(
            StatusCode::FORBIDDEN,
            "wrong_origin",
            "pages of other sites may not ask this server",
        ),
    })
}

/// A file of the page.
fn page(method: &Method, path: &str) -> Option<Answer> {
    let file = reelmill_ui::file(path).filter(|_| method == Method::GET || method == Method::HEAD)?;
    let mut answer = answer::with_body(StatusCode::OK, file.media_type, answer::whole(file.content));
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    Some(answer)
}

/// Who asks, if they may.
fn caller(keys: &Keys, route: &Route, headers: &HeaderMap) -> Result<Caller, Problem> {
    if keys.is_empty() {
        return Ok(Keys::anyone());
    }
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let key = bearer.or_else(|| session::cookie(headers));
    let caller = key.and_then(|key| keys.caller(key.trim()));
    let Some(role) = route.role else {
        return Ok(caller.unwrap_or(Caller { name: "nobody".to_owned(), role: crate::Role::Viewer }));
    };
    match caller {
        Some(caller) if caller.role >= role => Ok(caller),
        Some(caller) => {
            let detail = format!("that needs the role {}; this key has {}", role.word(), caller.role.word());
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
        }
        None => {
            let detail = if key.is_some() {
                "that is no key of this server"
            } else {
                "a key is needed: `Authorization: Bearer KEY`"
            };
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "no_key", detail);
            Err(problem.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
        }
    }
}

/// A parameter that nobody reads is a mistake that would go unnoticed.
fn known_parameters(route: &Route, query: &[(String, String)]) -> Result<(), Problem> {
    let unknown = query.iter().find(|(key, _)| !route.query.iter().any(|(name, _)| name == key));
    unknown.map_or(Ok(()), |(key, _)| {
        let known: Vec<&str> = route.query.iter().map(|(name, _)| *name).collect();
        let help =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        Err(Problem::bad("bad_query", format!("{} has no parameter {key:?}: {help}", route.path)))
    })
}

async fn dispatch(op: Op, asked: Asked) -> Answered {
    match op {
        Op::Health => Ok(fleet::health()),
        Op::Ready => fleet::ready(asked).await,
        Op::Metrics => Ok(fleet::metrics(asked).await),
        Op::OpenApi => Ok(answer::ok(&crate::openapi())),
        Op::WhoAmI => Ok(session::who_am_i(&asked)),
        Op::SignIn => session::sign_in(asked).await,
        Op::SignOut => Ok(session::sign_out()),
        Op::PipelineSchema => Ok(answer::ok(&reelmill_spec::schema())),
        Op::ListPipelines => pipelines::list(asked).await,
        Op::ShowPipeline => pipelines::show(asked).await,
        Op::PutPipeline => pipelines::put(asked).await,
        Op::RemovePipeline => pipelines::remove(asked).await,
        Op::Validate => pipelines::validate(asked).await,
        Op::ListRuns => runs::list(asked).await,
        Op::Submit => submit::submit(asked).await,
        Op::ShowRun => runs::show(asked).await,
        Op::DeleteRun => runs::delete(asked).await,
        Op::Cancel => act::cancel(asked).await,
        Op::Pause => act::pause(asked).await,
        Op::Resume => act::resume(asked).await,
        Op::Retry => act::retry(asked).await,
        Op::Approve => act::approve(asked).await,
        Op::Why => runs::why(asked).await,
        Op::Tasks => runs::tasks(asked).await,
        Op::Events => events::listen(asked).await,
        Op::Logs => logs::read(asked).await,
        Op::Outputs => runs::outputs(asked).await,
        Op::Artifact => artifacts::get(asked).await,
        Op::ListFiles => Ok(files::list(&asked)),
        Op::PutFile => files::put(asked).await,
        Op::RemoveFile => files::remove(&asked),
        Op::Plugins => Ok(fleet::plugins(&asked)),
        Op::Queues => fleet::queues(asked).await,
        Op::PauseQueue => fleet::pause_queue(asked, true).await,
        Op::ResumeQueue => fleet::pause_queue(asked, false).await,
        Op::Workers => fleet::workers(asked).await,
    }
}
