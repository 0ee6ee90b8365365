//! The value of a knob, and a full assignment of values.

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
};

/// The value of one knob. In JSON and TOML it is written plainly: `0.1`, `8`, `"adamw"`, `true`.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A real number; always finite.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// One of the choices of a categorical knob.
    Text(String),
    /// On or off.
    Boolean(bool),
}

/// A value for each knob that is active, by the knob's name.
pub type Settings = BTreeMap<String, Setting>;

impl Setting {
    /// Returns the value as a number, for floats and integers.
    pub fn number(&self) -> Option<f64> {
        match self {
            Setting::Float(value) => Some(*value),
            Setting::Integer(value) => Some(*value as f64),
            Setting::Text(_) | Setting::Boolean(_) => None,
        }
    }
}

impl fmt::Display for Setting {
    /// Writes floats in the shortest form that reads back to the same value, texts without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Float(value)
                if *value != 0.0 && (value.abs() < 1e-4 || value.abs() >= 1e7) =>
            {
                write!(f, "{value:e}")
            }
            Setting::Float(value) => write!(f, "{value}"),
            Setting::Integer(value) => write!(f, "{value}"),
            Setting::Text(value) => f.write_str(value),
            Setting::Boolean(value) => write!(f, "{value}"),
        }
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Setting::Float(value) => serializer.serialize_f64(*value),
            Setting::Integer(value) => serializer.serialize_i64(*value),
            Setting::Text(value) => serializer.serialize_str(value),
            Setting::Boolean(value) => serializer.serialize_bool(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SettingVisitor;
        impl Visitor<'_> for SettingVisitor {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a string or a boolean")
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Setting, E> {
                if value.is_finite() {
                    Ok(Setting::Float(value))
                } else {
                    Err(E::custom(format!(
                        "expected a finite number, found {value}"
                    )))
                }
            }

            fn visit_i64<E>(self, value: i64) -> Result<Setting, E> {
                Ok(Setting::Integer(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Setting, E> {
                i64::try_from(value)
                    .map(Setting::Integer)
                    .map_err(E::custom)
            }

            fn visit_str<E>(self, value: &str) -> Result<Setting, E> {
                Ok(Setting::Text(value.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Setting, E> {
                Ok(Setting::Boolean(value))
            }
        }
        deserializer
            .deserialize_any(SettingVisitor)
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The value of a knob: a number, a string or a boolean.",
            "type": ["number", "integer", "string", "boolean"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_float_stays_a_float_through_json() {
        let text = serde_json::to_string(&Setting::Float(2.0)).unwrap();
        assert_eq!(
            serde_json::from_str::<Setting>(&text).unwrap(),
            Setting::Float(2.0)
        );
        assert_eq!(
            serde_json::from_str::<Setting>("2").unwrap(),
            Setting::Integer(2)
        );
    }

    #[test]
    fn nothing_but_scalars_is_read() {
        assert!(serde_json::from_str::<Setting>("[1]").is_err());
        assert!(serde_json::from_str::<Setting>("null").is_err());
    }
}
