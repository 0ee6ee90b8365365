//! The table of one knob.

use lyceum_types::{Scale, Setting};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// One thing that a researcher may turn, its values, and the one place where it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Knob {
    /// What values it takes.
    #[serde(rename = "type")]
    pub(crate) kind: KnobType,
    /// Least value, for numbers.
    pub(crate) low: Option<f64>,
    /// Greatest value, for numbers.
    pub(crate) high: Option<f64>,
    /// How a number is spread; `"log"` needs bounds above 0. Without it, `"linear"`.
    pub(crate) scale: Option<Scale>,
    /// The values of a categorical knob.
    pub(crate) choices: Option<Vec<Setting>>,
    /// Active only while another knob, defined before, has one of these values: `{ knob = "optimizer", is = "adamw" }`.
    pub(crate) when: Option<When>,
    /// The file that holds it, relative to the workspace: TOML, JSON or source by its extension, with `key`; or any text,
    /// with `template`.
    pub(crate) file: Option<String>,
    /// Dotted path of the value in `file`: `"optimizer.lr"`, `"layers.0.width"`. In a source file, `"LINE:NUMBER"`: the number of
    /// the value among the numbers, switches and operators of that line.
    pub(crate) key: Option<String>,
    /// A file of the workspace in which `{{NAME}}` stands for each knob NAME; it is rendered into `file`.
    pub(crate) template: Option<String>,
    /// The environment variable of the candidate that holds it.
    pub(crate) environment: Option<String>,
    /// The option that is appended to the run's command, followed by the value as one more argument.
    pub(crate) argument: Option<String>,
    /// Its value in the unchanged workspace, where no file says it: required with `template`, `environment` and `argument`.
    pub(crate) start: Option<Setting>,
}

/// What values a knob takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KnobType {
    /// A real number from `low` to `high`.
    Float,
    /// A whole number from `low` to `high`.
    Integer,
    /// One of `choices`.
    Categorical,
    /// `true` or `false`.
    Boolean,
}

impl KnobType {
    /// Returns the type as it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            KnobType::Float => "float",
            KnobType::Integer => "integer",
            KnobType::Categorical => "categorical",
            KnobType::Boolean => "boolean",
        }
    }
}

/// The condition of a knob.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// Name of the other knob.
    pub(crate) knob: String,
    /// One value of the other knob, or a list of them.
    pub(crate) is: OneOrMany,
}

/// One value, or a list of values.
#[derive(Debug)]
pub(crate) struct OneOrMany(pub(crate) Vec<Setting>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;
        impl<'de> Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value or a list of values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(values)).map(OneOrMany)
            }

            fn visit_f64<E>(self, value: f64) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Setting::Float(value)]))
            }

            fn visit_i64<E>(self, value: i64) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Setting::Integer(value)]))
            }

            fn visit_str<E>(self, value: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Setting::Text(value.to_owned())]))
            }

            fn visit_bool<E>(self, value: bool) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![Setting::Boolean(value)]))
            }
        }
        deserializer
            .deserialize_any(OneOrManyVisitor)
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One value, or a list of values.",
            "type": ["number", "integer", "string", "boolean", "array"],
            "items": generator.subschema_for::<Setting>(),
        })
    }
}
