//! The description of the API against what the API does.

use super::support::{ANN, Answer, POINTS, Running};
use crate::http::handlers::DESCRIPTION;
use crate::http::routes;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn description() -> Value {
    serde_json::from_str(DESCRIPTION).unwrap()
}

/// Follows a `$ref` within the description.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{reference}"))
        }
        None => schema,
    }
}

/// Where a value is not what the schema says, in words. Fields that are not described are faults too; the names of
/// optional ones that were there go into `seen`.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str, seen: &mut BTreeSet<String>) -> Vec<String> {
    let schema = resolved(document, schema);
    if let Some(any) = schema["anyOf"].as_array() {
        let mut all = any.iter().map(|one| faults(document, one, value, at, seen));
        return if all.any(|faults| faults.is_empty()) {
            Vec::new()
        } else {
            vec![format!("{at}: none of what it may be")]
        };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => panic!("{at}: a schema without a type"),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&is) {
        return vec![format!("{at}: {is} where {types:?} is described")];
    }
    match value {
        Value::String(text) => schema["enum"]
            .as_array()
            .filter(|words| !words.iter().any(|word| word == text))
            .map(|_| format!("{at}: {text} is not described"))
            .into_iter()
            .collect(),
        Value::Array(items) => {
            let each = items.iter().enumerate();
            each.flat_map(|(place, item)| faults(document, &schema["items"], item, &format!("{at}[{place}]"), seen))
                .collect()
        }
        Value::Object(fields) if schema["properties"].is_object() => {
            let described = schema["properties"].as_object().unwrap();
            let required = schema["required"].as_array().unwrap();
            let missing = required.iter().filter(|name| !fields.contains_key(name.as_str().unwrap()));
            let mut found: Vec<_> = missing.map(|name| format!("{at}: {name} is missing")).collect();
            for (name, field) in fields {
                match described.get(name) {
                    Some(schema) => {
                        seen.insert(name.clone());
                        found.extend(faults(document, schema, field, &format!("{at}.{name}"), seen));
                    }
                    None => found.push(format!("{at}: {name} is not described")),
                }
            }
            found
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_route_is_described_and_everything_described_is_a_route() {
    let document = description();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let routed: BTreeSet<_> = routes::api().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(described, routed);
}

#[test]
fn every_schema_is_used_and_every_reference_leads_somewhere() {
    let document = description();
    for (kind, entries) in document["components"].as_object().unwrap() {
        for name in entries.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            let reference = format!("\"#/components/{kind}/{name}\"");
            assert!(DESCRIPTION.contains(&reference), "{reference} is not used");
        }
    }
    for reference in DESCRIPTION.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn the_check_of_answers_notices_each_kind_of_fault() {
    let document = description();
    let schema = &document["components"]["schemas"]["Vm"];
    let count = |value: Value| faults(&document, schema, &value, "", &mut BTreeSet::new()).len();
    assert_eq!(count(json!({ "vm": "a", "points": 1 })), 0);
    assert_eq!(count(json!({ "vm": "a" })), 1);
    assert_eq!(count(json!({ "vm": "a", "points": "1" })), 1);
    assert_eq!(count(json!({ "vm": "a", "points": 1, "more": 1 })), 1);
    assert_eq!(count(json!([])), 1);
}

/// Holds an answer against what is described for its method, path and status.
fn hold_against(document: &Value, method: &str, path: &str, answer: &Answer, seen: &mut BTreeSet<String>) {
    let responses = &document["paths"][path][method.to_lowercase()]["responses"];
    let described = match &responses[answer.status.to_string()] {
        Value::Null if answer.status >= 400 => resolved(document, &responses["default"]),
        Value::Null => panic!("{method} {path}: {} is not described", answer.status),
        described => described,
    };
    let Some(content) = described["content"].as_object() else {
        assert!(answer.body.is_empty(), "{method} {path}: a body that is not described");
        return;
    };
    let schema = &content.get(answer.header("content-type").unwrap()).expect("another content type")["schema"];
    let found = faults(document, schema, &answer.json(), "", seen);
    assert!(found.is_empty(), "{method} {path}:\n{}", found.join("\n"));
}

#[tokio::test]
async fn every_answer_is_what_the_description_says_field_by_field() {
    let service = Running::start().await;
    let document = description();
    let mut seen = BTreeSet::new();
    let mut hold = |method: &str, path: &str, answer: Answer| {
        hold_against(&document, method, &format!("/api/v1/{path}"), &answer, &mut seen);
    };
    hold("GET", "openapi.json", service.request("GET", "/api/v1/openapi.json", &[], "").await);
    hold("GET", "session", service.ask(ANN, "GET", "session", "").await);
    hold("GET", "session", service.request("GET", "/api/v1/session", &[], "").await);
    hold("POST", "session", service.try_to_sign_in(ANN).await);
    hold("POST", "session", service.try_to_sign_in("wrong").await);
    hold("DELETE", "session", service.ask(ANN, "DELETE", "session", "").await);
    hold("GET", "vms", service.ask(ANN, "GET", "vms", "").await);
    hold("GET", "vms/{vm}/points", service.ask(ANN, "GET", "vms/web-1/points", "").await);
    hold("GET", "vms/{vm}/points", service.ask(ANN, "GET", "vms/..%2f/points", "").await);
    let path = format!("vms/web-1/points/{}", POINTS[0]);
    hold("GET", "vms/{vm}/points/{point}", service.ask(ANN, "GET", &path, "").await);
    let body = json!({ "vm": "web-1", "point": POINTS[0], "lifetime_seconds": 60 }).to_string();
    let granted = service.ask(ANN, "POST", "grants", &body).await;
    let id = granted.json()["grant"]["id"].as_str().unwrap().to_owned();
    hold("POST", "grants", granted);
    hold("POST", "grants", service.ask(ANN, "POST", "grants", "{}").await);
    hold("GET", "grants", service.ask(ANN, "GET", "grants", "").await);
    hold("DELETE", "grants/{grant}", service.ask(ANN, "DELETE", &format!("grants/{id}"), "").await);
    hold("DELETE", "grants/{grant}", service.ask(ANN, "DELETE", &format!("grants/{}", "0".repeat(32)), "").await);
    hold("GET", "grants", service.ask(ANN, "GET", "grants", "").await);
    // Whatever is described was there: nothing is described that the service does not send. Sessions of initiators are
    // the target's to tell; `the_line_of_a_session_is_as_described` holds them.
    let mut described = BTreeSet::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        if !["SignIn", "GrantRequest", "IscsiSession"].contains(&name.as_str()) {
            described.extend(schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys().cloned()));
        }
    }
    let absent: Vec<_> = described.difference(&seen).collect();
    assert!(absent.is_empty(), "described, and never there: {absent:?}");
}

#[test]
fn the_line_of_a_session_is_as_described() {
    let document = description();
    let session = crate::SessionStatus {
        initiator: "iqn.2026-01.example:a".into(),
        peer: "192.0.2.1:50000".into(),
        since: crate::UnixTime::now(),
        bytes_read: 1,
    };
    let value = serde_json::to_value(session).unwrap();
    let schema = json!({ "$ref": "#/components/schemas/IscsiSession" });
    assert_eq!(faults(&document, &schema, &value, "", &mut BTreeSet::new()), Vec::<String>::new());
}
