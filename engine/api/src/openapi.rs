//! The `OpenAPI` document, made from the table of routes.

use crate::act::{Approve, Reason, Retry};
use crate::routes::{Gives, ROUTES, Route, Takes};
use crate::session::SignIn;
use crate::submit::Submit;
use hyper::StatusCode;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Reelmill",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Pipelines that make videos: start runs, follow them, take what they put out.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "security": [{ "key": [] }, {}],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    generator.subschema_for::<Submit>();
    generator.subschema_for::<Reason>();
    generator.subschema_for::<Retry>();
    generator.subschema_for::<Approve>();
    generator.subschema_for::<SignIn>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    schemas
}

/// What is answered when something was not done (RFC 9457).
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "For programs: what it is." },
            "detail": { "type": "string", "description": "For people: why, and what to do." },
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "code": { "type": "string" },
                        "pointer": { "type": "string", "description": "JSON pointer of the value." },
                        "line": { "type": "integer" },
                        "column": { "type": "integer" },
                        "message": { "type": "string" },
                        "help": { "type": ["string", "null"] },
                    },
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": format!("{:?}", route.op),
        "summary": route.summary,
        "responses": responses(route),
    });
    let parameters: Vec<Value> = parameters(route).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    match route.role {
        Some(role) => operation["x-role"] = role.word().into(),
        None => operation["security"] = json!([]),
    }
    let body = match route.takes {
        Takes::Nothing => None,
        Takes::Json(name) => {
            Some(("application/json", json!({ "$ref": format!("#/components/schemas/{name}") })))
        }
        Takes::Yaml => Some(("application/yaml", json!({ "type": "string" }))),
        Takes::File => Some(("application/octet-stream", json!({}))),
    };
    if let Some((media_type, schema)) = body {
        operation["requestBody"] = json!({ "content": { media_type: { "schema": schema } } });
    }
    operation
}

/// The parts of the path, and those of the query.
fn parameters(route: &Route) -> impl Iterator<Item = Value> {
    let within = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let within = within
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = route.query.iter().map(|(name, about)| {
        json!({ "name": name, "in": "query", "description": about, "schema": { "type": "string" } })
    });
    within.chain(query)
}

fn responses(route: &Route) -> Value {
    let content = match route.gives {
        Gives::Nothing => None,
        Gives::Json => Some("application/json"),
        Gives::Text => Some("text/plain"),
        Gives::Events => Some("text/event-stream"),
        Gives::File => Some("application/octet-stream"),
    };
    let reason = |status: u16| {
        StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("")
    };
    let mut done = json!({ "description": reason(route.status) });
    if let Some(media_type) = content {
        done["content"] = json!({ media_type: {} });
    }
    let mut responses = Map::new();
    responses.insert(route.status.to_string(), done);
    let problem =
        json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    for (status, about) in route.problems {
        let mut told = json!({ "description": about });
        if *status >= 400 {
            told["content"] = problem.clone();
        }
        responses.insert(status.to_string(), told);
    }
    let default = json!({ "description": "It was not done: a wrong query, key or origin, or a store that is away", "content": problem });
    responses.insert("default".to_owned(), default);
    responses.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` of the document.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.contains(&"#/components/schemas/Submit".to_owned()), "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("it is in the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_route_is_described() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.to_lowercase()];
            assert!(
                operation["responses"][route.status.to_string()].is_object(),
                "{} {}",
                route.method,
                route.path
            );
        }
        let parameters = &document["paths"]["/api/v1/files/{shelf}/{name}"]["put"]["parameters"];
        assert_eq!(parameters[1]["name"], "name");
        assert_eq!(document["paths"]["/api/v1/runs/{run}:cancel"]["post"]["parameters"][0]["name"], "run");
    }
}
