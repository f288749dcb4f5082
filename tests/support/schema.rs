//! A validator of the part of JSON Schema that `man/rustdb-documents.schema.json`
//! uses; a keyword that it does not know is an error, never passed over, and so
//! is a field that the schema does not name.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value as Json;

/// The schema of all documents.
pub fn schema() -> &'static Json {
    static SCHEMA: OnceLock<Json> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let man = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
        let text = std::fs::read(man.join("rustdb-documents.schema.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    })
}

/// What of a document is not as the schema says: the place and why.
pub fn broken(schema: &Json, document: &Json) -> Option<String> {
    check(schema, schema, document, "$").err()
}

fn check(root: &Json, schema: &Json, value: &Json, at: &str) -> Result<(), String> {
    for (keyword, said) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "additionalProperties" => true,
            "$ref" => {
                let path = said.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(path).unwrap(), value, at)?;
                true
            }
            "type" => match said {
                Json::Array(types) => types.iter().any(|one| is(value, one.as_str().unwrap())),
                one => is(value, one.as_str().unwrap()),
            },
            "const" => value == said,
            "enum" => said.as_array().unwrap().contains(value),
            "required" => {
                let mut names = said.as_array().unwrap().iter();
                !value.is_object() || names.all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}.{name}");
                    match (said.get(name), schema.get("additionalProperties")) {
                        (Some(schema), _) => check(root, schema, inner, &at)?,
                        (None, Some(schema)) => check(root, schema, inner, &at)?,
                        // Who reads documents lets new fields pass; here each must be named.
                        (None, None) => return Err(format!("{at}: not named in the schema")),
                    }
                }
                true
            }
            "items" => {
                for (position, inner) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, said, inner, &format!("{at}[{position}]"))?;
                }
                true
            }
            "oneOf" => {
                let results = said.as_array().unwrap().iter();
                let results: Vec<_> = results.map(|one| check(root, one, value, at)).collect();
                match results.iter().filter(|result| result.is_ok()).count() {
                    1 => true,
                    0 => {
                        let why: Vec<String> =
                            results.into_iter().filter_map(Result::err).collect();
                        return Err(format!("{at}: none of\n  {}", why.join("\n  ")));
                    }
                    _ => return Err(format!("{at}: more than one of oneOf")),
                }
            }
            other => panic!("the schema uses {other}, which this validator does not know"),
        };
        if !holds {
            return Err(format!(
                "{at}: {keyword}: expected {said}, found {value:.200}"
            ));
        }
    }
    Ok(())
}

fn is(value: &Json, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema names the type {other}"),
    }
}
