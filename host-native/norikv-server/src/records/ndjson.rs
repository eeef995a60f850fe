//! A JSON object a line, in two dialects: ours, and anyone's whose key is one of its fields.

use bytes::Bytes;
use norikv_api::Text;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Record;

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_b64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_b64: Option<String>,
}

pub(super) fn read(line: &[u8]) -> Result<Record, String> {
    let line: Line = serde_json::from_slice(line).map_err(|why| format!("not JSON: {why}"))?;
    let key = Text::bytes(line.key, line.key_b64).map_err(|why| {
        format!("key: {why} (is the key in another field? then name it with --key)")
    })?;
    let value = Text::bytes(line.value, line.value_b64).map_err(|why| format!("value: {why}"))?;
    Ok(Record { key, value })
}

pub(super) fn write(record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
    let (key, key_b64) = Text::of(&record.key).into_fields();
    let (value, value_b64) = Text::of(&record.value).into_fields();
    let line = Line {
        key,
        key_b64,
        value,
        value_b64,
    };
    let text = serde_json::to_vec(&line).map_err(|why| why.to_string())?;
    out.extend_from_slice(&text);
    out.push(b'\n');
    Ok(())
}

pub(super) fn read_field(line: &[u8], field: &str) -> Result<Record, String> {
    let key = key_of(line, field)?;
    Ok(Record {
        key: Bytes::from(key),
        value: Bytes::copy_from_slice(line),
    })
}

pub(super) fn write_field(record: &Record, field: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let shown = String::from_utf8_lossy(&record.key);
    if record.value.contains(&b'\n') {
        return Err(format!(
            "the value of {shown} has a line feed in it; export as tsv"
        ));
    }
    match key_of(&record.value, field) {
        Ok(key) if key.as_bytes() == record.key => {}
        Ok(_) | Err(_) => {
            return Err(format!(
                "the value of {shown} is no JSON object whose field {field} is its key; \
                 export without --key, or as tsv"
            ));
        }
    }
    out.extend_from_slice(&record.value);
    out.push(b'\n');
    Ok(())
}

/// The field of a JSON object: a string as it is, a number as it is written.
fn key_of(line: &[u8], field: &str) -> Result<String, String> {
    let object: Map<String, Value> =
        serde_json::from_slice(line).map_err(|why| format!("not a JSON object: {why}"))?;
    match object.get(field) {
        Some(Value::String(key)) => Ok(key.clone()),
        Some(Value::Number(key)) => Ok(key.to_string()),
        Some(_) => Err(format!("field {field} is neither a string nor a number")),
        None => Err(format!("there is no field {field}")),
    }
}
