//! The JSON Schema of a line, made from the wire types.

use std::num::NonZero;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::line::Source;
use crate::wire::{FORMAT_VERSION, LINE_TYPES, field_schemas};

/// Renders the JSON Schema (draft 2020-12) that every line of a trace satisfies.
pub fn schema() -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let fields = field_schemas(&mut generator);
    let mut definitions = Map::new();
    let mut any_of = Vec::new();
    for (line_type, fields) in LINE_TYPES.iter().zip(fields) {
        let line = with_envelope(
            line_type.name,
            line_type.source,
            fields.to_value(),
            &mut generator,
        );
        definitions.insert(line_type.name.to_owned(), line);
        any_of.push(json!({ "$ref": format!("#/$defs/{}", line_type.name) }));
    }
    let names: Vec<&str> = LINE_TYPES.iter().map(|line_type| line_type.name).collect();
    definitions.insert(
        "unknown".to_owned(),
        json!({
            "description": "A line of a type that this version does not know. It is passed over and counted.",
            "type": "object",
            "properties": {
                "type": { "type": "string", "not": { "enum": names } },
                "seq": generator.subschema_for::<u64>(),
                "t_ms": generator.subschema_for::<i64>(),
                "src": { "enum": ["ext", "host", "engine"] },
            },
            "required": ["type", "seq", "t_ms", "src"],
        }),
    );
    any_of.push(json!({ "$ref": "#/$defs/unknown" }));
    definitions.extend(generator.take_definitions(true));
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("A line of a tab trace, version {FORMAT_VERSION}"),
        "anyOf": any_of,
        "$defs": definitions,
    });
    let mut text = serde_json::to_string_pretty(&root).expect("a value has only string keys");
    text.push('\n');
    text
}

/// Puts the envelope's fields beside a type's own.
fn with_envelope(
    name: &str,
    source: Source,
    mut fields: Value,
    generator: &mut SchemaGenerator,
) -> Value {
    let envelope = [
        ("type", json!({ "const": name })),
        (
            "seq",
            described::<u64>(
                generator,
                "Its place in the trace: exactly one more than the line before.",
            ),
        ),
        (
            "t_ms",
            described::<i64>(
                generator,
                "The log's time in Unix milliseconds, which never decreases.",
            ),
        ),
        (
            "src",
            json!({ "const": source.name(), "description": "Who observed it." }),
        ),
    ];
    let only_ext = [
        (
            "n",
            described::<Option<NonZero<u64>>>(generator, "The extension's own counter, from 1."),
        ),
        (
            "at_ms",
            described::<Option<i64>>(generator, "The extension's clock when it happened."),
        ),
    ];
    let object = fields
        .as_object_mut()
        .expect("every wire type is an object");
    object.remove("$schema");
    object.insert("title".to_owned(), json!(name));
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    let properties = properties
        .as_object_mut()
        .expect("properties are an object");
    let required = ["type", "seq", "t_ms", "src"].map(|field| json!(field));
    properties.extend(envelope.map(|(field, schema)| (field.to_owned(), schema)));
    if source == Source::Ext {
        properties.extend(only_ext.map(|(field, schema)| (field.to_owned(), schema)));
    }
    match object.entry("required").or_insert_with(|| json!([])) {
        Value::Array(names) => names.splice(0..0, required).for_each(drop),
        _ => unreachable!("what is required is a list"),
    }
    fields
}

fn described<T: JsonSchema>(generator: &mut SchemaGenerator, about: &str) -> Value {
    let mut schema = generator.subschema_for::<T>();
    schema.insert("description".to_owned(), json!(about));
    schema.to_value()
}
